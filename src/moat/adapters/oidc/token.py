"""ID tokens: who signed them, for whom, and when (OpenID Connect Core, 3.1.3.7)."""

import hmac
from collections.abc import Sequence
from typing import Any

import jwt

from moat.domain.errors import AccessError

KINDS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Algorithms that are taken, by the kind of key. Only those of key pairs: with `HS256` whoever knows the public key, or
the client's secret, could sign; with `none` anybody."""
ALGORITHMS = tuple(algorithm for kind in KINDS.values() for algorithm in kind)
LEEWAY = 60
"""Seconds that two clocks may differ."""


class UnknownKey(AccessError):
    """The token names a key that the provider does not publish, or not yet."""


def verified(token: str, keys: Sequence[dict[str, Any]], *, issuer: str, client: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token. `keys`: the provider's, as JSON Web Keys.

    Raises `AccessError` without quoting the token: `UnknownKey` when other keys may help.
    """
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise _refused("it is none") from None
    algorithm = head.get("alg")
    if algorithm not in ALGORITHMS:
        raise _refused(f"the algorithm {str(algorithm)[:20]!r} is not taken")
    try:
        claims = jwt.decode(
            token,
            _key(keys, head.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=client,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise _refused(str(error)[:200]) from None
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client) != client:
        raise _refused("it was made for another application")
    if not nonce or not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise _refused("it was made for another sign-in")
    if not isinstance(claims["sub"], str) or not claims["sub"] or " " in claims["iss"]:
        raise _refused("it names nobody")
    return dict(claims)


def _key(keys: Sequence[dict[str, Any]], kid: Any, algorithm: str) -> jwt.PyJWK:
    """The key that a token was signed with, of the kind that its algorithm needs."""
    fitting = [
        key
        for key in keys
        if algorithm in KINDS.get(str(key.get("kty")), ())
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    if len(fitting) != 1:
        raise UnknownKey("the ID token is not valid: it does not say which of the provider's keys has signed it")
    return jwt.PyJWK(fitting[0], algorithm=algorithm)


def _refused(why: str) -> AccessError:
    return AccessError(f"the ID token is not valid: {why}")
