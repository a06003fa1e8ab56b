"""A provider of identities that people sign in with."""

from typing import Protocol

from moat.domain.identities import Handshake, Identity


class IdentityProvider(Protocol):
    """By OpenID Connect, with the authorization code flow. Both may ask the provider."""

    def address(self, handshake: Handshake) -> str:
        """Where a browser is sent to sign in. Raises `Unavailable`."""
        ...

    def identity(self, code: str, handshake: Handshake) -> Identity:
        """Who has signed in. Raises `AccessError` for what the provider did not say, or not for this sign-in;
        `Unavailable`.
        """
        ...
