"""The part of `moat.yaml` that is about the console: how browsers reach it, and who may sign in."""

from typing import Annotated, Literal

import msgspec

from moat.domain.accounts import PersonRole


class OidcConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of identities that people sign in with, by OpenID Connect."""

    issuer: Annotated[str, msgspec.Meta(min_length=1)]
    """Its address, to the letter; what it offers is read from `/.well-known/openid-configuration` below it."""
    client_id: Annotated[str, msgspec.Meta(min_length=1)]
    client_secret: str = ""
    """As a `${VAR}` reference; empty: the provider knows Moat as a public client."""
    name: str = "single sign-on"
    """What the sign-in page calls it."""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    domains: list[str] = []
    """Of e-mail addresses whose owners get an account by signing in; others need one that was made for them."""
    role: PersonRole | Literal["none"] = "viewer"
    """Of a new account that `roles` says nothing about; `none`: it gets no account."""
    roles_claim: str = ""
    """Claim of the ID token that lists a person's groups; empty: roles are given in Moat."""
    roles: dict[str, PersonRole] = {}
    """By group; the highest counts, at each sign-in."""


class PlaygroundConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people may spend on trying prompts."""

    per_day: str = "5.00"
    """US dollars for each person and day (UTC), as text; "0": nothing that costs money is asked."""


class ProposeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a proposed change."""

    push: bool = False
    """Push its branch at once, with the credentials that git finds by itself."""
    remote: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] = "origin"
    """Where it is pushed, and whose forge shows it."""


class ConsoleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The console in a browser."""

    public_url: str = ""
    """Where browsers find this server, such as `https://moat.example.org`; empty: where they say they found it."""
    trusted_proxies: list[str] = []
    """Addresses, or networks such as `10.0.0.0/8`, whose `x-forwarded-proto` and `x-forwarded-for` are believed."""
    oidc: OidcConfig | None = None
    """None: people sign in with passwords only."""
    playground: PlaygroundConfig = PlaygroundConfig()
    propose: ProposeConfig = ProposeConfig()
