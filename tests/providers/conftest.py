"""Shared by the tests of providers."""

from pathlib import Path

import pytest
import trustme


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, and the authority that signed it, in one file made for this run."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path
