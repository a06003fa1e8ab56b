"""A secret stays with the hosts it was first used with, whatever is merged, until an admin trusts another."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.sqlite import SqliteHosts, SqliteState
from moat.bootstrap.connections import (
    ProjectConnections,
    StatedHosts,
    WithheldProvider,
    connection,
    read_block,
    stated,
)
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project as Files
from moat.bootstrap.settings import load_settings
from moat.bootstrap.state import open_state
from moat.domain import connections
from moat.domain.connections import Connection, TrustedHost, is_here
from moat.domain.errors import ConfigError, ConflictError, NotFound, ProviderError, SecretWithheld
from moat.testing.fakes import new_call
from tests.bootstrap.projects import Project, eventually

HERE, THERE = "https://api.example.org/v1", "https://elsewhere.example.net/v1"
ENVIRON = {"KEY": "sk-secret", "OTHER": "sk-other", "URL": HERE, "FOUND": "https://found.example.org"}


def yaml(**providers: str) -> str:
    """A moat.yaml with these providers' blocks, all of them in use."""
    lines = "".join(f"  {name}: {{{block}}}\n" for name, block in providers.items())
    return f"providers:\n{lines}models:\n  m: {{use: [{', '.join(f'{name}/x' for name in providers)}]}}\n"


def openai(url: str = HERE, key: str = "${KEY}") -> str:
    return f'kind: openai, base_url: "{url}", api_key: "{key}"'


class World:
    """A store, and one moat.yaml after the other."""

    def __init__(self, folder: Path, store: SqliteHosts) -> None:
        self.folder, self.store = folder, store
        self.shelf = ProviderShelf(ENVIRON, store)

    def read(self, text: str) -> dict[str, Any]:
        (self.folder / "moat.yaml").write_text(text, "utf-8")
        return dict(self.shelf.providers(load_settings(self.folder)))

    def withheld(self, text: str) -> list[str]:
        return [name for name, provider in self.read(text).items() if isinstance(provider, WithheldProvider)]

    def connections(self) -> ProjectConnections:
        return ProjectConnections(lambda: load_settings(self.folder), ENVIRON, self.store)

    def trust(self, provider: str, host: str = "") -> None:
        self.connections().trust(provider, host, actor="ada")


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    state = SqliteState.open(folder / "state.db")
    try:
        yield World(folder, SqliteHosts(state))
    finally:
        state.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as found:
        yield found


@pytest.mark.anyio
@pytest.mark.promise("gate-6")
async def test_a_moved_host_does_not_get_the_secret(world: World) -> None:
    before = world.read(yaml(main=openai(), other=openai(key="${OTHER}")))
    assert not world.shelf.withheld
    after = world.read(yaml(main=openai(THERE), other=openai(key="${OTHER}")))
    assert after["other"] is before["other"], "others go on"
    (problem,) = world.shelf.withheld
    assert problem.startswith("moat.yaml:2: provider 'main' now goes to https://elsewhere.example.net, where KEY must")
    assert "belongs to https://api.example.org." in problem
    assert "`moat providers trust main`" in problem
    for ask in (anext(after["main"].answer(new_call())), after["main"].count_tokens(new_call())):
        with pytest.raises(SecretWithheld, match="credentials of provider 'main' are not sent") as raised:
            await ask
        assert (raised.value.status, "sk-secret" in str(raised.value)) == (502, False)
    assert world.read(yaml(main=openai(THERE), other=openai(key="${OTHER}")))["main"] is after["main"]
    await after["main"].aclose()


@pytest.mark.promise("gate-6")
def test_an_admins_word_another_credential_or_the_old_host_lets_calls_flow(world: World) -> None:
    world.read(yaml(main=openai()))
    assert world.withheld(yaml(main=openai(THERE))) == ["main"]
    assert world.withheld(yaml(main=openai(THERE, key="${OTHER}"))) == []
    assert world.withheld(yaml(main=openai(THERE))) == ["main"]
    assert world.withheld(yaml(main=openai())) == []
    assert world.withheld(yaml(main=openai(THERE))) == ["main"]
    world.trust("main")
    assert world.withheld(yaml(main=openai(THERE))) == []
    assert world.shelf.withheld == ()
    assert world.withheld(yaml(main=openai())) == [], "the old one is still trusted"
    entries = [(entry.credential, entry.host, entry.provider, entry.actor) for entry in world.store.trusted_hosts()]
    assert entries == [
        ("KEY", "https://api.example.org", "main", ""),
        ("OTHER", "https://elsewhere.example.net", "main", ""),
        ("KEY", "https://elsewhere.example.net", "main", "ada"),
    ]
    assert world.withheld(yaml(main=openai(THERE, key="${OTHER}"))) == []


@pytest.mark.promise("gate-6")
@pytest.mark.parametrize(
    "moved",
    {
        "host": openai(THERE),
        "scheme": openai(HERE.replace("https", "http")),
        "port": openai(HERE.replace(".org", ".org:8443")),
        "subdomain": openai(HERE.replace("api.", "api.evil.")),
        "address by default": 'kind: openai, api_key: "${KEY}"',
        "preset": 'kind: openai, preset: groq, api_key: "${KEY}"',
        "other kind": 'kind: anthropic, api_key: "${KEY}"',
        "other option": 'kind: openai, base_url: "https://elsewhere.example.net", headers: {x-auth: "${KEY}"}',
        "in the query": 'kind: openai, base_url: "https://elsewhere.example.net/v1?k=${KEY}"',
        "in the host": 'kind: openai, base_url: "https://${KEY}.example.net/v1"',
        "beside another": f'kind: openai, base_url: "{THERE}", api_key: "${{OTHER}}", organization: "${{KEY}}"',
        "litellm": 'kind: litellm, api_key: "${KEY}"',
    }.items(),
    ids=lambda pair: pair[0],
)
def test_however_it_is_moved(world: World, moved: tuple[str, str]) -> None:
    world.read(yaml(main=openai()))
    found = load_settings_of(world, yaml(main=moved[1]))
    assert [state.standing for state in found] == ["withheld"]
    if moved[0] != "in the query":  # the kind itself refuses that one
        assert world.withheld(yaml(main=moved[1])) == ["main"]


def load_settings_of(world: World, text: str) -> list[Any]:
    (world.folder / "moat.yaml").write_text(text, "utf-8")
    return world.connections().states()


@pytest.mark.promise("gate-6")
def test_a_new_name_does_not_help(world: World) -> None:
    world.read(yaml(main=openai()))
    assert world.withheld(yaml(main=openai(), copy=openai(THERE))) == ["copy"]
    assert world.withheld(yaml(renamed=openai(THERE))) == ["renamed"]
    assert world.withheld(yaml(renamed=openai())) == []


def test_a_recording_does_not_help(world: World) -> None:
    world.read(yaml(main=openai()))
    text = yaml(main=openai(THERE), taped="kind: replay, file: a.jsonl, record: main").replace("main/x, ", "")
    assert isinstance(world.read(text)["taped"]._source, WithheldProvider)


@pytest.mark.parametrize(
    "same",
    [
        openai(HERE + "/"),
        openai(HERE.replace("/v1", "/v2")),
        openai(HERE.replace(".org", ".org:443")),
        openai(HERE.replace("api.example", "API.Example")),
        'kind: openai, base_url: "${URL}", api_key: "${KEY}"',
        'kind: openai, base_url: "${MISSING:-https://api.example.org/v3}", api_key: "${KEY}", connections: 4',
        openai() + ', headers: {http-referer: "https://shop.example.org"}',
        f'kind: anthropic, base_url: "{HERE}", api_key: "${{KEY}}"',
    ],
)
def test_what_is_the_same_host_goes_on(world: World, same: str) -> None:
    world.read(yaml(main=openai()))
    assert world.withheld(yaml(main=same)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"),
        ("http://localhost:1/v1", "http://[::1]:2/v1"),
        (HERE, "http://localhost:8000/v1"),
    ],
)
def test_this_machine_is_exempt(world: World, before: str, after: str) -> None:
    world.read(yaml(main=openai(before)))
    assert world.withheld(yaml(main=openai(after))) == []


def test_a_provider_without_credentials_is_exempt(world: World) -> None:
    world.read(yaml(main=f'kind: openai, base_url: "{HERE}"'))
    assert world.withheld(yaml(main=f'kind: openai, base_url: "{THERE}"')) == []
    assert world.withheld(yaml(main='kind: openai, base_url: "${URL}"')) == []
    assert world.store.trusted_hosts() == []


def test_the_address_may_be_a_variable_and_its_change_is_seen(world: World) -> None:
    text = yaml(main='kind: openai, base_url: "${URL}", api_key: "${KEY}"')
    world.read(text)
    assert [entry.credential for entry in world.store.trusted_hosts()] == ["KEY"]
    world.shelf = ProviderShelf({**ENVIRON, "URL": THERE}, world.store)
    assert world.withheld(text) == ["main"]


def test_two_hosts_of_one_secret_are_first_used_together(world: World) -> None:
    both = yaml(main=openai(), copy=openai(THERE))
    assert world.withheld(both) == []
    third = yaml(main=openai(), copy=openai("https://third.example.org"))
    assert world.withheld(third) == ["copy"]
    assert "belongs to https://api.example.org and https://elsewhere.example.net." in world.shelf.withheld[0]


def test_the_problem_names_the_secrets_that_belong_elsewhere_and_no_others(world: World) -> None:
    two = 'kind: openai, base_url: "URL", api_key: "${KEY}", organization: "${OTHER}"'
    world.read(yaml(main=openai(), other=openai(THERE, key="${OTHER}")))
    assert world.withheld(yaml(main=two.replace("URL", THERE), other=openai(THERE, key="${OTHER}"))) == ["main"]
    assert "where KEY must not be sent: it belongs to https://api.example.org." in world.shelf.withheld[0]


def test_a_file_that_is_refused_trusts_nothing(world: World) -> None:
    with pytest.raises(ConfigError, match="UNSET"):
        world.read(yaml(main=openai(), z=openai(key="${UNSET}")))
    assert world.store.trusted_hosts() == []


def test_a_key_file_stays_with_its_host_too(world: World) -> None:
    (world.folder / "sa.json").write_text("{}", "utf-8")
    block = "kind: vertex, project: p, credentials_file: sa.json"
    (world.folder / "moat.yaml").write_text(yaml(g=block), "utf-8")
    found = world.connections().trust("g", "vertex", actor="ada")
    assert (found.credentials, found.hosts, found.standing) == (("file sa.json",), ("vertex",), "trusted")
    assert world.withheld(yaml(g=f'{block}, base_url: "{THERE}"')) == ["g"]


def test_without_a_store_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "moat.yaml").write_text(yaml(main=openai()), "utf-8")
    shelf = ProviderShelf(ENVIRON)
    shelf.providers(load_settings(tmp_path))
    (tmp_path / "moat.yaml").write_text(yaml(main=openai(THERE)), "utf-8")
    assert not isinstance(shelf.providers(load_settings(tmp_path))["main"], WithheldProvider)
    assert shelf.withheld == ()


def test_trust_is_for_what_was_looked_at(world: World) -> None:
    world.read(yaml(main=openai()))
    assert world.withheld(yaml(main=openai(THERE))) == ["main"]
    with pytest.raises(ConflictError, match=r"goes to https://elsewhere\.example\.net, not to https://third"):
        world.trust("main", "https://third.example.org")
    with pytest.raises(NotFound, match="there is no provider 'maine'") as raised:
        world.trust("maine")
    assert "Providers: main." in raised.value.remedy
    world.trust("main", "https://elsewhere.example.net")
    world.trust("main")
    assert len(world.store.trusted_hosts()) == 2, "said twice, kept once"


def test_states_need_no_secrets_and_tell_what_is_broken(world: World) -> None:
    text = yaml(main=openai(), simulated="kind: simulated, rules: r.yaml", z='kind: azure, api_key: "${KEY}"')
    (world.folder / "moat.yaml").write_text(text, "utf-8")
    states = ProjectConnections(lambda: load_settings(world.folder), {}, world.store).states()
    assert [(state.provider, state.standing) for state in states] == [
        ("main", "new"),
        ("simulated", "exempt"),
        ("z", "broken"),
    ]
    assert "base_url" in states[2].problem
    assert states[0].credentials == ("KEY",)


def test_the_store_keeps_the_first_word_and_nothing_half(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path / "state.db")
    first = TrustedHost(credential="KEY", host="https://a", provider="main", since_ns=1)
    SqliteHosts(state).trust([first])
    SqliteHosts(state).trust([])
    revision = state.revision()
    SqliteHosts(state).trust([TrustedHost(credential="KEY", host="https://a", provider="z", actor="eve", since_ns=2)])
    assert SqliteHosts(state).trusted_hosts() == [first]
    assert state.revision() >= revision
    state.close()


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z][a-z0-9-]{0,20}\.[a-z]{2,5}", fullmatch=True),
    st.integers(1, 65535),
)
def test_a_host_is_compared_by_what_is_connected_to(scheme: str, name: str, port: int) -> None:
    def hosts(url: str) -> tuple[str, ...]:
        config = type("Config", (), {"providers": {"p": {"kind": "openai", "base_url": url}}})
        return connection("p", config, {"base_url": url}, {}).hosts  # type: ignore[arg-type]

    default = {"http": 80, "https": 443}[scheme]
    plain = hosts(f"{scheme}://{name}/v1")
    assert plain == hosts(f"{scheme.upper()}://{name.upper()}.:{default}/other?x=1")
    assert (hosts(f"{scheme}://{name}:{port}") == plain) == (port == default)
    assert hosts(f"{scheme}://x.{name}") != plain


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://localhost", True),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://2130706433", False),
        ("http://10.0.0.5", False),
        ("openai", False),
    ],
)
def test_what_counts_as_this_machine(host: str, here: bool) -> None:
    assert is_here(host) is here
    pairs = Connection(provider="p", hosts=(host,), credentials=("KEY",)).pairs
    assert bool(pairs) is not here


# on real sockets, and at a running server


@asynccontextmanager
async def listening(heard: list[str]) -> AsyncIterator[str]:
    """A server that notes what it is shown, and answers nonsense."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.append(head.decode())
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.mark.anyio
@pytest.mark.promise("gate-6")
async def test_not_a_byte_reaches_the_other_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "is_here", lambda host: False)  # else all of this test would be exempt
    mine: list[str] = []
    theirs: list[str] = []
    async with listening(mine) as here, listening(theirs) as there:
        for url in (here, there, here):
            provider = world.read(yaml(main=openai(url)))["main"]
            with pytest.raises(ProviderError):
                await anext(provider.answer(new_call()))
        assert (len(mine), theirs) == (2, [])
        assert "Bearer sk-secret" in mine[0]
        world.read(yaml(main=openai(there)))
        world.trust("main")
        with pytest.raises(ProviderError):
            await anext(world.read(yaml(main=openai(there)))["main"].answer(new_call()))
        assert "Bearer sk-secret" in theirs[0]
    await world.shelf.aclose()


MAIN = (
    '  main: {kind: openai, base_url: "https://a.invalid/v1", api_key: "${KEY}", timeouts: {connect: 2}}\n\nmodels:\n'
)
JSON = {"content_type": "application/json"}
MOVE = {"https://a.invalid": "https://b.invalid"}


@pytest.mark.promise("gate-6")
def test_a_merged_change_at_a_running_server(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.environ["KEY"] = "sk-secret"
    monkeypatch.setenv("KEY", "sk-secret")
    other = "  moved: {use: [main/x], retries: 0}\n  both: {use: [main/x, simulated/y], retries: 0}\n"
    project.replace("moat.yaml", {"\nmodels:\n": "\n" + MAIN + other})
    body = {"model": "moved", "messages": [{"role": "user", "content": "Where is my order?"}]}
    with project.serving() as server:
        assert server.send("POST", "/v1/chat/completions", body)[1]["error"]["code"] == "provider_down"
        project.replace("moat.yaml", MOVE)
        eventually(lambda: server.get("/readyz")[1]["status"] == "degraded")
        for _ in range(7):  # no breaker hides why
            status, answer = server.send("POST", "/v1/chat/completions", body)
            assert (status, answer["error"]["code"]) == (502, "secret_withheld")
        assert server.send("POST", "/v1/chat/completions", {**body, "model": "both"})[0] == 200, "its fallback answers"
        assert "main' now goes to https://b.invalid, where KEY must not be sent" in project.ok("status").out.replace(
            "\n", " "
        )
        states = {state["provider"]: state for state in server.get("/api/v1/providers")[1]}
        assert (states["main"]["standing"], states["main"]["trusted"]) == ("withheld", ["https://a.invalid"])
        assert states["simulated"]["standing"] == "exempt"
        assert "sk-secret" not in json.dumps(states)
        assert "withheld" in project.ok("providers", "list").out
        assert "main: KEY is not sent to https://b.invalid" in project.ok("config", "check").out.replace("\n", " ")
        assert project.run("providers", "trust", "main", "--host", "https://a.invalid").code == 75
        assert "KEY may go to https://b.invalid" in project.ok("providers", "trust", "main").out
        eventually(lambda: server.get("/readyz")[1]["status"] == "ready")
        eventually(lambda: server.send("POST", "/v1/chat/completions", body)[1]["error"]["code"] == "provider_down")
        project.replace("moat.yaml", {"https://b.invalid": "https://c.invalid"})
        eventually(lambda: server.get("/readyz")[1]["status"] == "degraded")
        path = "/api/v1/providers/trust"
        asked = {"provider": "main", "host": "https://c.invalid", "actor": "grace"}
        status, state = server.send("POST", path, asked, **JSON)
        assert (status, state.get("standing")) == (200, "trusted"), state
        eventually(lambda: server.get("/readyz")[1]["status"] == "ready")
        assert server.send("POST", path, {**asked, "host": "https://d.invalid"}, **JSON)[0] == 409
    with open_state(Files(project.root)) as state_store:
        actors = {entry.host: entry.actor for entry in state_store.hosts.trusted_hosts() if entry.credential == "KEY"}
    assert actors["https://a.invalid"] == ""
    assert actors["https://b.invalid"] == Files(project.root).author
    assert actors["https://c.invalid"].endswith(", for grace")


@pytest.mark.promise("gate-6")
def test_evals_go_by_the_same_rule(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk-secret")
    text = (project.root / "moat.yaml").read_text("utf-8")
    project.replace("moat.yaml", {"\nmodels:\n": "\n" + MAIN, "use: [simulated/": "use: [simulated/z, simulated/"})
    project.replace("moat.yaml", {"use: [simulated/z, ": "use: [simulated/z, main/x, "})
    assert project.run("eval", "run", "support/answer@1.0.0").code in (0, 1, 2), text
    with open_state(Files(project.root)) as state:
        assert ("KEY", "https://a.invalid") in {(e.credential, e.host) for e in state.hosts.trusted_hosts()}
    project.replace("moat.yaml", {**MOVE, "use: [simulated/z, main/x, ": "use: [main/x, simulated/z, "})
    settings = load_settings(project.root)
    assert read_block("main", settings, {"KEY": "k"})[1].base_url == "https://b.invalid/v1"
    assert project.run("eval", "run", "support/answer@1.1.0").code in (0, 1, 2), "the fallback answers"
    with open_state(Files(project.root)) as state:
        assert "https://b.invalid" not in {e.host for e in state.hosts.trusted_hosts()}


def test_the_commands_without_a_server(project: Project) -> None:
    assert "exempt" in project.ok("providers", "list").out
    assert "simulated needs no trust" in project.ok("providers", "trust", "simulated").out
    block = '  keyed: {kind: openai, api_key: "${KEY}"}\n  lost: {kind: azure, api_key: "${KEY}"}\n\nmodels:\n'
    project.replace("moat.yaml", {"\nmodels:\n": "\n" + block})
    assert "problem: " in project.ok("providers", "list").out
    states = {state["provider"]: state["standing"] for state in project.ok("providers", "list", "--json").json}
    assert (states["keyed"], states["lost"], states["simulated"]) == ("new", "broken", "exempt")
    assert project.ok("providers", "trust", "keyed", "--json").json["standing"] == "trusted"
    assert project.run("providers", "trust", "lost").code == 78
    assert project.run("providers", "trust", "nobody").code == 66


@pytest.mark.anyio
@pytest.mark.parametrize("host", [THERE, "http://127.0.0.1:9/v1", "http://localhost:9/v1"])
async def test_a_change_under_judgement_gets_a_secret_only_where_the_base_sends_it(world: World, host: str) -> None:
    def providers(text: str) -> dict[str, Any]:
        (world.folder / "moat.yaml").write_text(text, "utf-8")
        shelf = ProviderShelf({**ENVIRON, "FRESH": "sk-fresh"}, hosts, confined=True)
        return dict(shelf.providers(load_settings(world.folder)))

    base = yaml(main=openai(), near=openai("http://127.0.0.1:8/v1", "${OTHER}"))
    (world.folder / "moat.yaml").write_text(base, "utf-8")
    hosts = StatedHosts(world.store, list(stated(load_settings(world.folder), ENVIRON)), everywhere=True)
    assert not any(isinstance(found, WithheldProvider) for found in providers(base).values())
    found = providers(yaml(main=openai(), new=openai(host, "${FRESH}"), moved=openai(host)))
    assert [name for name, one in found.items() if isinstance(one, WithheldProvider)] == ["moved", "new"]
    with pytest.raises(SecretWithheld, match=r"FRESH is not sent to .*: nothing at the merge base sends it there"):
        await anext(found["new"].answer(new_call()))
    assert world.store.trusted_hosts() == [], "nothing is used for a first time"
