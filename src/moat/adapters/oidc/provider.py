"""One provider of identities: what it says of itself, where browsers are sent, what a code is worth."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode

from moat.adapters.oidc.asking import check_address, exchange, get
from moat.domain.console import OidcConfig
from moat.domain.errors import AccessError, ConfigError, Unavailable
from moat.domain.identities import Handshake, Identity
from moat.domain.recent import Recent

DISCOVERY = "/.well-known/openid-configuration"
FRESH_SECONDS = 3600.0
"""How long what a provider says of itself is believed."""
AGAIN_SECONDS = 60.0
"""Between two looks at its keys, for tokens that name an unknown one."""
FAILED_SECONDS = 10.0
"""How long a look that failed is not repeated. Of those who sign in meanwhile none waits for a provider in vain."""


class OidcProvider:
    """The port `IdentityProvider`. Threads may share it."""

    def __init__(self, config: OidcConfig, secret: str) -> None:
        """`secret`: the client's, resolved. Raises `ConfigError` without the package that verifies signatures."""
        try:
            from moat.adapters.oidc import token
        except ImportError:
            raise ConfigError(
                "signing in with OpenID Connect needs the package pyjwt",
                where="moat.yaml: $.console.oidc",
                remedy="Install it: pip install 'moat[oidc]'.",
            ) from None
        self._token = token
        self._config = config
        self._secret = secret
        self._looks = Recent(2, failed_seconds=FAILED_SECONDS)

    def address(self, handshake: Handshake) -> str:
        """With PKCE (S256), state and nonce."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(handshake.verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._config.client_id,
            "redirect_uri": handshake.redirect,
            "scope": " ".join(self._config.scopes),
            "state": handshake.state,
            "nonce": handshake.nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def identity(self, code: str, handshake: Handshake) -> Identity:
        """Claims that the ID token lacks are asked for with the access token."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": handshake.redirect,
            "code_verifier": handshake.verifier,
        }
        ways = self._described().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        client = (self._config.client_id, self._secret)
        answer = exchange(self._endpoint("token_endpoint"), form, client, basic="client_secret_basic" in ways)
        claims = self._verified(str(answer.get("id_token", "")), handshake.nonce)
        wanted = {"email", *([self._config.roles_claim] if self._config.roles_claim else [])}
        if wanted - claims.keys() and "userinfo_endpoint" in self._described() and answer.get("access_token"):
            more = get(self._endpoint("userinfo_endpoint"), str(answer["access_token"]))
            if not hmac.compare_digest(str(more.get("sub", "")).encode(), claims["sub"].encode()):
                raise AccessError("the provider of identities speaks of somebody else")
            claims = {**more, **claims}
        return Identity.of(claims, self._config.roles_claim)

    def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        issuer, client = self._config.issuer, self._config.client_id
        try:
            return self._token.verified(token, self._published(), issuer=issuer, client=client, nonce=nonce)
        except self._token.UnknownKey:
            return self._token.verified(token, self._published(anew=True), issuer=issuer, client=client, nonce=nonce)

    def _described(self) -> dict[str, Any]:
        """What the provider says of itself. It must go by the issuer's name, to the letter."""
        return self._looks.get("about", FRESH_SECONDS, self._about)

    def _about(self) -> dict[str, Any]:
        url = self._config.issuer.rstrip("/") + DISCOVERY
        check_address(url, "moat.yaml: $.console.oidc.issuer")
        about = get(url)
        if about.get("issuer") != self._config.issuer:
            raise Unavailable(
                f"the provider calls itself {str(about.get('issuer'))[:200]!r}",
                where=self._config.issuer,
                remedy="Write console.oidc.issuer exactly so, if that is who you mean.",
            )
        return about

    def _endpoint(self, name: str) -> str:
        url = str(self._described().get(name, ""))
        check_address(url, f"{self._config.issuer}{DISCOVERY}: {name}")
        return url

    def _published(self, *, anew: bool = False) -> list[dict[str, Any]]:
        """The keys that the provider signs with."""
        return self._looks.get("keys", AGAIN_SECONDS if anew else FRESH_SECONDS, self._keys)

    def _keys(self) -> list[dict[str, Any]]:
        keys = get(self._endpoint("jwks_uri")).get("keys")
        return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
