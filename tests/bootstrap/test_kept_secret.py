"""Secrets that a project keeps."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from moat.bootstrap.kept_secret import SIZE, kept_secret
from moat.domain.errors import StorageError


def test_a_secret_is_made_once_and_is_the_same_for_all(tmp_path: Path) -> None:
    path = tmp_path / "digest.key"
    with ThreadPoolExecutor(8) as pool:
        secrets = {*pool.map(lambda _: kept_secret(path, "digests", "none is the same"), range(32))}
    assert len(secrets) == 1
    assert len(secrets.pop()) == SIZE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["digest.key"]


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "digest.key"
    path.write_bytes(b"short")
    with pytest.raises(StorageError, match="this is no secret of digests") as caught:
        kept_secret(path, "digests", "none is the same")
    assert caught.value.remedy == "Delete it: none is the same."
