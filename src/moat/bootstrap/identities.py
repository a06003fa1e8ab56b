"""The provider of identities that moat.yaml names, made anew when the file names another."""

from collections.abc import Callable, Mapping

from moat.bootstrap.settings import Settings, resolve
from moat.ports.identities import IdentityProvider


class Identities:
    """Holds the present one. Threads may share it."""

    def __init__(self, settings: Callable[[], Settings], environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._made: tuple[object, IdentityProvider] | None = None

    def provider(self) -> IdentityProvider | None:
        """None when moat.yaml names none. Raises `ConfigError` for a variable that is not set, or a package that is
        missing.
        """
        settings = self._settings()
        config = settings.config.console.oidc
        if config is None:
            return None
        secret = str(resolve(config.client_secret, settings, ["console", "oidc", "client_secret"], self._environ))
        known, made = (config, secret), self._made
        if made is None or made[0] != known:
            from moat.adapters.oidc import OidcProvider  # few projects have one

            self._made = made = (known, OidcProvider(config, secret))
        return made[1]
