"""The trace store over HTTP keeps the same contract: the real API on a real socket."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from moat.adapters.duckdb import DuckTraces
from moat.adapters.remote import RemoteTraces
from moat.api import observed, records, spend
from moat.api.endpoint import application
from moat.api.services import Services
from moat.domain.errors import Unavailable
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.refusals import Refusals
from moat.ports.traces import TraceFilter
from moat.testing.contracts import opinions, totals, traces
from moat.testing.fakes import FakeClock
from moat.testing.loopback import on_loopback

TOKEN = "mk-local"
WRITES = ("ingest", "ingest_feedback", "expire", "backup", "reprice")


class Served:
    """Questions go to the server, changes into its store."""

    def __init__(self, remote: RemoteTraces, store: DuckTraces) -> None:
        self._remote = remote
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store if name in WRITES else self._remote, name)


@contextmanager
def served(path: Path) -> Iterator[Served]:
    ring = KeyRing([Key(id="key_1", hash=hash_secret(TOKEN), role="admin")], FakeClock())
    with closing(DuckTraces.open(path)) as store:
        live = SimpleNamespace(serving=SimpleNamespace(keys=ring), refusals=Refusals())
        audit = SimpleNamespace(record=lambda act: None)
        services = SimpleNamespace(live=live, traces=store, calls=store.calls, audit=audit)
        endpoints = (*records.ENDPOINTS, *observed.ENDPOINTS, *spend.ENDPOINTS)
        with on_loopback(application(endpoints, cast(Services, services))) as url:
            yield Served(RemoteTraces(url, TOKEN), store)


@pytest.mark.parametrize("check", [*traces.CHECKS, *totals.CHECKS, *opinions.CHECKS], ids=lambda check: check.__name__)
def test_contract(check: Callable[[traces.OpenTraces], None], tmp_path: Path) -> None:
    check(cast(traces.OpenTraces, lambda: served(tmp_path / "traces.duckdb")))


@pytest.mark.parametrize("last", [b"", b'{"spans":2}\n', b'{"spans":1,"error":"the disk is gone"}\n'])
def test_an_export_without_its_end_is_no_export(last: bytes) -> None:
    line = b'{"span_id":"1","trace_id":"t","kind":"call","name":"chat","started_ns":1,"duration_ns":1}\n'
    app = Starlette(routes=[Route("/api/v1/export", lambda request: StreamingResponse(iter([line, last])))])
    with on_loopback(app) as url, pytest.raises(Unavailable, match="not whole"):
        list(RemoteTraces(url, TOKEN).pages(TraceFilter()))
