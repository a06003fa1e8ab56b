"""OpenID Connect: people sign in with another system's account (https://openid.net/specs/openid-connect-core-1_0.html)."""

from moat.adapters.oidc.provider import OidcProvider

__all__ = ["OidcProvider"]
