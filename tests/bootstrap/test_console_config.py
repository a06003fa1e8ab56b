"""`console` in moat.yaml: addresses that are addresses, and a secret that is a reference."""

from pathlib import Path

import pytest

from moat.bootstrap.settings import load_settings
from moat.domain.errors import ConfigError

BASE = "providers: {sim: {kind: simulated}}\nmodels: {m: {use: [sim/m]}}\nconsole: "
OIDC = "issuer: https://idp.example.org, client_id: moat"


@pytest.mark.parametrize(
    ("console", "said"),
    [
        ("{public_url: moat.example.org}", "public_url"),
        ("{public_url: https://moat.example.org/moat}", "public_url"),
        ("{trusted_proxies: [proxy.example.org]}", "trusted_proxies"),
        (f"{{oidc: {{{OIDC}, client_secret: plain}}}}", "client_secret"),
        (f"{{oidc: {{{OIDC}, client_secret: '${{A:-plain}}'}}}}", "client_secret"),
        (f"{{oidc: {{{OIDC}, role: app}}}}", "role"),
        ("{oidc: {issuer: https://idp.example.org}}", "client_id"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, console: str, said: str) -> None:
    (tmp_path / "moat.yaml").write_text(BASE + console, "utf-8")
    with pytest.raises(ConfigError, match=said) as refused:
        load_settings(tmp_path)
    assert "moat.yaml:3" in refused.value.where
    assert "plain" not in str(refused.value)


def test_what_can_be_is_read(tmp_path: Path) -> None:
    console = f"{{public_url: 'https://moat.example.org', trusted_proxies: ['10.0.0.0/8', '::1'], oidc: {{{OIDC}}}}}"
    (tmp_path / "moat.yaml").write_text(BASE + console, "utf-8")
    found = load_settings(tmp_path).config.console
    assert found.oidc is not None
    assert (found.oidc.role, found.oidc.domains) == ("viewer", [])
