"""Addresses without the secrets in them."""

from urllib.parse import SplitResult, urlsplit

from moat.domain.errors import ConfigError


def parts(url: str, schemes: tuple[str, ...], where: str) -> SplitResult:
    """An address taken apart. Raises `ConfigError`, which does not show it."""
    try:
        found = urlsplit(url)
        port_is_fine = found.port is None or found.port > 0
    except ValueError:
        found, port_is_fine = urlsplit(""), False
    if found.scheme not in schemes or not found.hostname or not port_is_fine:
        raise ConfigError(
            "the address cannot be used", where=f"{where}.url", remedy=f"Write {schemes[0]}://host... as it should be."
        )
    return found


def shown(found: SplitResult) -> str:
    """Scheme, host and port: paths and queries of webhooks are often the secret itself."""
    host = f"[{found.hostname}]" if ":" in (found.hostname or "") else found.hostname
    return f"{found.scheme}://{host}" + (f":{found.port}" if found.port else "")
