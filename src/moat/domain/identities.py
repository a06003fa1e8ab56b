"""Somebody whom a provider of identities vouches for, by OpenID Connect."""

from collections.abc import Mapping
from typing import Any

import msgspec

from moat.domain.accounts import PersonRole
from moat.domain.console import OidcConfig
from moat.domain.keys import LADDER


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """What binds the answer of a provider to the browser that was sent there."""

    state: str
    """Comes back with the answer: it is of this browser."""
    nonce: str
    """Stands in the ID token: it was made for this sign-in."""
    verifier: str
    """Shown with the code, of which whoever saw it pass knows the hash only (PKCE, RFC 7636)."""
    redirect: str
    """Where the answer goes."""
    then: str
    """Path of the page that was wanted."""
    expires_ns: int


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who somebody is, as the ID token says."""

    subject: str
    """Issuer and `sub`, with a space between them: the one name that never changes hands."""
    email: str
    """In lower case; empty when none is given, or the provider has not verified it."""
    name: str
    groups: tuple[str, ...]

    @classmethod
    def of(cls, claims: Mapping[str, Any], roles_claim: str) -> "Identity":
        """By the claims of a token that was verified."""
        verified = claims.get("email_verified") in (True, "true")  # some providers send text
        groups = claims.get(roles_claim) if roles_claim else ()
        found = [groups] if isinstance(groups, str) else groups if isinstance(groups, list | tuple) else []
        return cls(
            subject=f"{claims['iss']} {claims['sub']}",
            email=str(claims.get("email") or "").strip().lower() if verified else "",
            name=str(claims.get("name") or "")[:256],
            groups=tuple(str(group) for group in found),
        )

    def role(self, config: OidcConfig) -> PersonRole | None:
        """The highest that a group gives, else the one of new accounts; None: none."""
        given = [config.roles[group] for group in self.groups if group in config.roles]
        if given:
            return max(given, key=lambda role: LADDER.index(role))
        return None if config.role == "none" else config.role

    def may_join(self, config: OidcConfig) -> bool:
        """Does the e-mail address belong to a domain whose people get an account by themselves?"""
        domain = self.email.rpartition("@")[2]
        return bool(domain) and domain in {each.lower().lstrip("@") for each in config.domains}
