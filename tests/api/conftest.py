"""The API that tests of one file share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.world import Api, open_api


@pytest.fixture(scope="module")
def api(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """No test changes what it serves."""
    with open_api(template, tmp_path_factory.mktemp("api")) as opened:
        yield opened
