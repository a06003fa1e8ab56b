"""The management API on a socket, over real stores."""

import http.client
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from moat.adapters.duckdb import DuckTraces
from moat.api.app import management_api
from moat.api.changes import Changes
from moat.api.overviews import Overviews
from moat.api.pushes import Pushes
from moat.api.services import Services
from moat.api.sign_in import SignIn
from moat.api.workbench import Workbench
from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.auditing import verify
from moat.bootstrap.changing import sources_of
from moat.bootstrap.connections import ProjectConnections
from moat.bootstrap.drafting import Drafting
from moat.bootstrap.evaluations import ProjectEvaluations
from moat.bootstrap.guarding import placed
from moat.bootstrap.limit_drafting import LimitDrafting
from moat.bootstrap.limits import placed_limits
from moat.bootstrap.lineage import lineage
from moat.bootstrap.project import Project
from moat.bootstrap.proposing import Proposing
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.server_doctor import ServerDoctor
from moat.bootstrap.settings import environment
from moat.bootstrap.spending import reprice
from moat.bootstrap.state import State, open_state
from moat.bootstrap.upkeep import TraceUpkeep
from moat.domain.accounts import Account, PersonRole
from moat.domain.calls import new_id
from moat.domain.console import ConsoleConfig
from moat.domain.errors import NotFound
from moat.domain.keys import Key, hash_secret
from moat.domain.releases import Arm, Assignment, Registration, Release, prompt_digest
from moat.domain.spans import Span
from moat.domain.tool_approvals import ToolApproval
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.ports.drafts import DraftEval, EvalWish, OwnDraftEvals
from moat.ports.releases import SyncReport
from moat.prompts.registry import PromptRegistry
from moat.prompts.rollout import Rollout
from moat.prompts.templates import JinjaRenderer
from moat.testing.fakes import FakeClock, ListOpinions, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.api import conforming
from tests.api.stored_runs import store_runs
from tests.bootstrap.projects import PROMPT

KEYS = {
    "admin": Key(id="key_1", hash="", role="admin", name="ops", user="grace@example.org"),
    "robot": Key(id="key_2", hash="", role="admin", name="deployer"),
    "viewer": Key(id="key_3", hash="", role="viewer"),
    "expert": Key(id="key_13", hash="", role="expert"),
    "engineer": Key(id="key_14", hash="", role="engineer", user="linus@example.org"),
    "app": Key(id="key_4", hash=""),
    "bound": Key(id="key_5", hash="", environment="production"),
    "bound-viewer": Key(id="key_6", hash="", role="viewer", environment="production"),
    "bound-admin": Key(id="key_7", hash="", role="admin", environment="production"),
    "acme": Key(id="key_8", hash="", tenant="acme"),
    "acme-viewer": Key(id="key_9", hash="", role="viewer", tenant="acme"),
    "acme-admin": Key(id="key_12", hash="", role="admin", tenant="acme"),
    "revoked": Key(id="key_10", hash="", role="admin", revoked_ns=1),
    "expired": Key(id="key_11", hash="", role="admin", expires_ns=1),
}
SECRETS = {name: f"mk-{name}" for name in KEYS}
WEBHOOK_SECRET = "hush"


class RecordingSync:
    """A sync that notes what it was asked for, and waits to be let go."""

    def __init__(self) -> None:
        self.branches: list[str] = []
        self.go = threading.Semaphore(0)
        self.failure: Exception | None = None

    def sync(self, branch: str) -> SyncReport:
        self.branches.append(branch)
        assert self.go.acquire(timeout=60)
        if self.failure:
            raise self.failure
        return SyncReport(commit="c0ffee", subject="A merge", author="Ada")


class OneDraftEval:
    """Evals of drafts of which one goes on for ever; real ones are tested with a real server."""

    state = msgspec.convert(
        {"id": "run_draft", "prompt": PROMPT, "version": "1.3.0", "suite": "support", "person": "grace@example.org"}
        | {"status": "running", "done": 1, "total": 2, "errors": 0, "spent": 0, "budget": 1, "scores": []}
        | {"baseline": "", "verdict": "", "summary": "", "problem": "", "started_ns": 1, "finished_ns": 0}
        | {"earlier": 0, "found": ""},
        DraftEval,
    )

    async def start(self, wish: EvalWish, key: Key) -> DraftEval:
        if wish.suite != "support":
            raise NotFound(f"there is no suite {wish.suite!r}")
        return self.state

    def get(self, id: str) -> DraftEval:
        if id != self.state.id:
            raise NotFound(f"no eval run {id!r}")
        return self.state

    def own(self, person: str) -> OwnDraftEvals:
        return OwnDraftEvals(starting=None, runs=(self.state,) if person == self.state.person else ())

    async def cancel(self, id: str) -> DraftEval:
        return self.get(id)


@dataclass
class Api:
    """The API, and what is behind it."""

    host: str
    files: Project
    traces: DuckTraces
    state: State
    live: Live
    sync: RecordingSync
    opinions: ListOpinions
    sign_in: SignIn
    clock: FakeClock
    """Of sessions, links, and tries to sign in."""
    console: list[ConsoleConfig]
    """The one that is in force."""
    changes: Changes

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def raw(self, method: str, path: str, body: bytes | None = None, /, **headers: str) -> "Raw":
        """A request exactly as it is written here; its answer is one that the API describes."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            answered, content = {name.lower(): value for name, value in response.headers.items()}, _read(response, path)
            described = conforming.route(method, path.partition("?")[0])
            if described:
                conforming.check(method, described, response.status, answered.get("content-type", ""), content)
            return response.status, answered, content
        finally:
            connection.close()

    def get(self, path: str, who: str = "admin", **query: Any) -> tuple[int, Any]:
        """Status and JSON of a GET request."""
        address = f"{path}?{urlencode(query)}" if query else path
        status, _, body = self.raw("GET", address, Authorization=f"Bearer {SECRETS[who]}")
        return status, json.loads(body)

    def post(self, path: str, content: Any, who: str = "admin") -> tuple[int, Any]:
        """Status and JSON of a POST request."""
        headers = {"Authorization": f"Bearer {SECRETS[who]}", "Content_Type": "application/json"}
        status, _, body = self.raw("POST", path, json.dumps(content).encode(), **headers)
        return status, json.loads(body)

    def signed_in(self, role: PersonRole, email: str = "") -> dict[str, str]:
        """Headers of a browser in which somebody of a role has signed in just now."""
        email = email or f"{role}@example.org"
        account = self.state.accounts.by_email(email)
        if account is None:
            account = Account(id=new_id("usr"), email=email, role=role)
            self.state.accounts.add(account, actor="tests")
        entered = self.sign_in.enter(account, "password", "127.0.0.1")
        return {"Cookie": f"moat_session={entered.token}", "X_Moat_Csrf": entered.session.csrf}

    def refresh(self) -> None:
        """Serve what the stores hold now."""
        self.live.serving = snapshot(self.files, self.state)


Raw = tuple[int, dict[str, str], bytes]


def _read(response: http.client.HTTPResponse, path: str) -> bytes:
    """The whole body; of what never ends, the first piece."""
    if path != "/api/v1/events" or response.status != 200:
        return response.read()
    return response.readline() + response.readline()


def snapshot(files: Project, state: State) -> Serving:
    """What files and stores hold, as the server's own reloading would have it."""
    current, releases = state.releases.current(), state.releases.releases()
    registered = [row.content for name in state.registry.names() for row in state.registry.versions(name)]
    prompts = Rollout(files.catalog, releases, current, "production", registered)
    secrets = (msgspec.structs.replace(key, hash=hash_secret(SECRETS[name])) for name, key in KEYS.items())
    ports = replace(fake_ports(ScriptedProvider("Hi")), prompts=prompts, renderer=JinjaRenderer())
    return Serving(
        run=build(ports),
        ports=ports,
        keys=KeyRing(secrets, FakeClock()),
        prompts=prompts,
        aliases=tuple(files.settings.config.models),
        released=tuple(sorted(f"{a.prompt}@{a.environment}" for a in current)),
        assignments={(a.environment, a.prompt): a for a in current},
        releases={release.id: release for release in releases},
        environments=tuple(files.settings.config.environments),
    )


def release(state: State, files: Project, version: str) -> Release:
    """A manifest of a version, stored."""
    content = files.catalog.get(PROMPT, version)
    made = Release(id=f"rel_{version}", content=content, prompt_digest=prompt_digest(content), author="Ada")
    return state.releases.create(made)


def assign(state: State, environment: str, sequence: int, *arms: Arm, **fields: Any) -> Assignment:
    """The next assignment of the prompt in an environment, stored."""
    made = Assignment(
        environment=environment,
        prompt=PROMPT,
        sequence=sequence,
        arms=arms,
        **{"actor": "ada", "reason": "", "created_ns": sequence, **fields},
    )
    state.releases.assign(made)
    return made


def ask(files: Project) -> None:
    """A person is asked about a call of a tool: `apr_1`."""
    fields = ToolApproval(id="apr_1", digest="0" * 64, tool="refund", key="key_4", asked_ns=1, expires_ns=2**62)
    names, values = zip(*msgspec.structs.asdict(fields).items(), strict=True)
    with closing(sqlite3.connect(files.state_path)) as connection, connection:
        marks = ", ".join("?" for _ in names)
        connection.execute(f"INSERT INTO tool_approvals ({', '.join(map(repr, names))}) VALUES ({marks})", values)


@contextmanager
def open_api(template: Path, folder: Path) -> Iterator[Api]:
    """A gateway and its API over a project: 1.0.0 in production, a canary of 1.2.0 beside 1.1.0 in staging, and a few
    calls.
    """
    root = folder / "project"
    shutil.copytree(template, root)
    config = root / "moat.yaml"
    config.write_text(config.read_text("utf-8").replace("require: [support]", "require: []"), "utf-8")
    files = Project(root)
    with ExitStack() as stack:
        state = stack.enter_context(open_state(files))
        one, two, three = (release(state, files, version) for version in ("1.0.0", "1.1.0", "1.2.0"))
        assign(state, "production", 1, Arm(one.id))
        assign(state, "staging", 1, Arm(two.id))
        arms = (Arm(three.id, 50, "canary"), Arm(two.id, 50, "stable"))
        assign(
            *(state, "staging", 2, *arms),
            strategy="canary",
            progress="open",
            experiment="staging/1",
            replaces=(Arm(two.id),),
        )
        for prompt in files.catalog.all():
            state.registry.register(
                Registration(
                    content=prompt, digest=prompt_digest(prompt), source="git", author="Ada", branches=("main",)
                )
            )
        state.keys.add(Key(id="key_acme", hash="0" * 64, tenant="acme", environment="production"), actor="tests")
        ask(files)
        store_runs(files, state)
        traces = DuckTraces.open(files.traces_path)
        stack.callback(traces.close)
        segment = folder / "segment.ndjson"
        spans = [
            Span(span_id=f"{n:016x}", trace_id=f"{n:032x}", kind="call", name="chat", started_ns=n, duration_ns=5,
                 request_id=f"req_{n}", tenant=["acme", "globex"][n % 2], error=["", "provider_down"][n == 3], cost=n,
                 environment=["production", "staging"][n % 2])
            for n in range(1, 6)
        ]  # fmt: skip
        segment.write_bytes(b"".join(msgspec.json.encode(span) + b"\n" for span in spans))
        traces.ingest([segment])
        live = Live(snapshot(files, state))
        live.look = lambda: setattr(live, "looked", time.monotonic())
        sync = RecordingSync()
        opinions = ListOpinions()
        pushes = Pushes(sync, "main", WEBHOOK_SECRET)
        stack.callback(pushes.close)
        renderer = JinjaRenderer()
        clock, console = FakeClock(time.time_ns()), [ConsoleConfig()]
        sign_in = SignIn(state.accounts, lambda: console[0], clock)
        changes = Changes(sources_of(live, state, traces))
        services = Services(
            live=live,
            releases=state.releases,
            runs=state.runs,
            evaluations=ProjectEvaluations(root, lambda: None, state, traces, {}),
            traces=traces,
            calls=traces.calls,
            changes=changes,
            overviews=Overviews(
                live, traces, traces.calls, state.alerts, lambda: rules_of(files.settings.config), state.releases
            ),
            policies=lambda: placed(files.settings),
            limit_rules=lambda: placed_limits(files.settings, {}),
            upkeep=TraceUpkeep(traces, lambda: files.settings.config.telemetry, files.folder),
            opinions=Opinions(opinions, traces, FakeClock()),
            keys=state.keys,
            sign_in=sign_in,
            workbench=Workbench(
                drafting := Drafting(root, live, lambda: files.settings, lambda: files.catalog),
                drafting.lint,
                OneDraftEval(),
                Proposing(root, lambda: files.settings, state.audit),
                LimitDrafting(root, lambda: files.settings, environment()).draft,
            ),
            trips=state.trips,
            alerts=state.alerts,
            audit=state.audit,
            verify=lambda: verify(state.audit, files.settings),
            searches=state.searches,
            approvals=state.approvals,
            rules=lambda: rules_of(files.settings.config),
            connections=ProjectConnections(lambda: files.settings, {}, state.hosts),
            doctor=ServerDoctor(root, {}, traces.kept, lambda: ""),
            registry=PromptRegistry(state.registry, renderer, FakeClock()),
            renderer=renderer,
            control=lambda: Releasing(Project(root), state),
            lineage=lambda name, version: lineage(Project(root), state, name, version, traces),
            pushes=pushes,
            synced=lambda: None,
            reprice=lambda *order: reprice(Project(root), {}, traces, *order),
            root=root,
        )
        gateway = Gateway(live, ListSpool(), max_body=2**20, management=management_api(services))
        url = stack.enter_context(on_loopback(gateway))
        host = url.removeprefix("http://")
        yield Api(host, files, traces, state, live, sync, opinions, sign_in, clock, console, changes)
