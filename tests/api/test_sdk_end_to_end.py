"""`moat.Moat`, `moat.AsyncMoat` and the official OpenAI SDK against a real `moat serve`."""

from pathlib import Path

import pytest
from openai import OpenAI

from moat import AsyncMoat, Moat
from moat.domain.errors import AccessError, ConflictError, NotFound, RequestError, Unavailable
from tests.bootstrap.projects import PROMPT, Project, eventually

QUESTION = "How long can I return things?"


def test_an_application_from_prompt_to_trace(project: Project) -> None:
    release = project.release("1.0.0")
    key = project.key("--tenant", "acme")
    with project.serving() as server, Moat(server.url, key, environment="staging") as moat:
        prompt = moat.prompt(PROMPT)
        assert (prompt.version, prompt.release, prompt.stale) == ("1.0.0", release, False)
        messages = prompt.render(question=QUESTION)
        assert (
            messages
            == project.ok("prompt", "render", f"{PROMPT}@1.0.0", "--var", f"question={QUESTION}", "--json").json
        )
        with (
            moat.trace("handle_ticket", user="u1", feature="support") as span,
            OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as openai,
        ):
            answer = openai.chat.completions.create(
                model=prompt.model,
                messages=messages,  # type: ignore[arg-type]
                user="u1",
                extra_headers=span.headers() | {"x-moat-feature": "support"},
                **prompt.params,
            )
        assert answer.choices[0].message.content
        assert moat.flush()

        def call() -> "dict[str, object] | None":
            found = project.ok("traces", "--user", "u1", "--json").json
            # The application's own span may be stored before it: traces of applications alone are listed too.
            return next((one for one in found if "provider" in one), None)

        seen = eventually(call)
        assert (seen["tenant"], seen["feature"], seen["provider"]) == ("acme", "support", "simulated")
        shown = eventually(
            lambda: (s := project.ok("traces", "show", seen["trace_id"], "--json").json) and len(s) == 3 and s
        )
        assert {one["kind"] for one in shown} == {"app", "call", "attempt"}
        sent = next(one for one in shown if one["kind"] == "call")
        assert sent["input"]["messages"] == messages, "what the server got is what the SDK rendered"


@pytest.mark.anyio
async def test_the_same_for_asyncio(project: Project) -> None:
    project.release("1.0.0")
    key = project.key()
    with project.serving() as server:
        async with AsyncMoat(server.url, key, environment="staging") as moat:
            assert (await moat.render(PROMPT, question=QUESTION))[-1]["role"] == "user"
            with moat.trace("work", user="u2"):
                pass
            assert await moat.flush()
            with pytest.raises(NotFound, match="staging"):
                await moat.prompt("support/nothing")
            assert moat.dropped_spans == 0


def test_the_rendering_of_the_server_is_the_same(project: Project) -> None:
    project.release("1.2.0")
    key = project.key()
    variables = {"question": "Où est mon colis? {{ 7 * 7 }}", "customer_name": "Zoë", "member": True}
    with project.serving() as server, Moat(server.url, key, environment="staging") as moat:
        body = {"prompt": {"id": f"{PROMPT}@staging", "variables": variables}}
        status, answer = server.send("POST", "/v1/chat/completions", body, key)
        assert status == 200, answer
        (call,) = eventually(lambda: project.ok("traces", "--json").json)
        spans = project.ok("traces", "show", call["trace_id"], "--json").json
        sent = next(span for span in spans if span["kind"] == "call")["input"]["messages"]
        assert sent == moat.render(PROMPT, **variables)
        assert "{{ 7 * 7 }}" in sent[-1]["content"], "what customers write is not a template"


def test_a_server_that_is_away_is_bridged(project: Project, tmp_path: Path) -> None:
    project.release("1.0.0")
    key = project.key()
    cache = tmp_path / "cache"
    with project.serving() as server:
        moat = Moat(server.url, key, environment="staging", cache_dir=cache, ttl=0.0)
        fresh = moat.prompt(PROMPT)
    for client in (moat, Moat(server.url, key, environment="staging", cache_dir=cache)):
        known = client.prompt(PROMPT)
        assert (known.stale, known.digest) == (True, fresh.digest)
        assert known.render(question=QUESTION) == fresh.render(question=QUESTION)
        with pytest.raises(Unavailable):
            client.prompt("support/other")
        client.close()


@pytest.mark.promise("gate-4")
def test_a_revoked_key_stops_the_application(project: Project) -> None:
    project.release("1.0.0")
    made = project.ok("keys", "create", "--json").json
    with project.serving() as server, Moat(server.url, made["secret"], environment="staging", ttl=0.0) as moat:
        moat.prompt(PROMPT)
        project.ok("keys", "revoke", made["id"])

        def refused() -> bool:
            try:
                moat.prompt(PROMPT)
            except AccessError:
                return True
            return False

        eventually(refused)
        assert refused()


def test_a_key_of_one_environment_and_one_model(project: Project) -> None:
    project.release("1.0.0")
    key = project.key("--environment", "staging", "--model", "assistant")
    with project.serving() as server:
        assert server.ask(QUESTION, key, at="staging")[0] == 200
        assert server.ask(QUESTION, key, at="production")[0] == 404
        ask = {"model": "other", "messages": [{"role": "user", "content": "Hi"}]}
        status, body = server.send("POST", "/v1/chat/completions", ask, key)
        assert (status, "assistant" in body["error"]["message"]) == (403, True)
        assert server.send("POST", "/v1/chat/completions", ask)[0] == 404


def test_bad_input_over_http(project: Project) -> None:
    with project.serving() as server:
        connection = server.connection()
        for body, said in (
            (b"{", "not valid JSON"),
            (b"[]", "JSON object"),
            (b"\xff", "not valid JSON"),
            (b"", "JSON"),
        ):
            connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {server.token}"})
            response = connection.getresponse()
            assert (response.status, said in response.read().decode()) == (400, True), body
        connection.close()
        status, body = server.ask(QUESTION, at="latest")
        assert (status, "no latest version" in body["error"]["message"]) == (404, True)
        status, body = server.ask(QUESTION)
        assert (status, "production" in body["error"]["message"]) == (404, True)
        status, body = server.send("POST", "/v1/chat/completions", {"prompt": {"id": f"{PROMPT}@1.0.0"}})
        assert (status, "question" in body["error"]["message"]) == (400, True)


def test_users_of_a_split_stay_where_the_server_has_them(project: Project, tmp_path: Path) -> None:
    project.release("1.0.0")
    project.ok("release", "create", f"{PROMPT}@1.1.0", "--to", "staging", "--canary", "50", "--json")
    key = project.key()
    users = [f"u{number}" for number in range(30)]
    with project.serving() as server:
        moat = Moat(server.url, key, environment="staging", cache_dir=tmp_path, ttl=0.0)
        arms = {user: moat.prompt(PROMPT, user=user) for user in users}
        assert {prompt.arm for prompt in arms.values()} == {"canary", "stable"}
        for user, prompt in list(arms.items())[:6]:
            status, served = server.get(f"/api/v1/prompts/{PROMPT}?environment=staging&user={user}", key)
            assert (status, served["arm"], served["release"]) == (200, prompt.arm, prompt.release)
            assert (served["experiment"], served["digest"]) == (prompt.experiment, prompt.digest)
            with (
                moat.trace("ticket", user=user) as span,
                OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as openai,
            ):
                answer = openai.chat.completions.with_raw_response.create(
                    model=f"prompt:{PROMPT}@staging",
                    messages=[{"role": "user", "content": QUESTION}],
                    extra_headers=span.headers(),
                )
            assert answer.headers["x-moat-arm"] == prompt.arm, "the gateway has the same user on the same arm"
        assert len({moat.prompt(PROMPT).arm for _ in range(64)}) == 2, "without a user each call is drawn"
    for client in (moat, Moat(server.url, key, environment="staging", cache_dir=tmp_path)):
        for user in users:
            known = client.prompt(PROMPT, user=user)
            assert (known.stale, known.arm, known.release) == (True, arms[user].arm, arms[user].release)
        client.close()


def test_the_registry_from_python(project: Project) -> None:
    admin, app = project.key("--role", "admin", "--user", "grace@example.org"), project.key()
    content = {
        "model": "assistant",
        "variables": {"name": {"type": "string"}},
        "messages": [{"role": "user", "content": "Greet {{ name }}."}],
    }
    with project.serving() as server, Moat(server.url, admin) as moat:
        made = moat.registry.register("team/hello", "1.0.0", content)
        assert (made.author, made.source) == ("grace@example.org", "api")
        assert moat.registry.register("team/hello", "1.0.0", content) == made
        with pytest.raises(ConflictError, match="another content"):
            moat.registry.register("team/hello", "1.0.0", {**content, "params": {"seed": 1}})
        with pytest.raises(RequestError, match="unknown-model"):
            moat.registry.register("team/hello", "1.1.0", {**content, "model": "nobody"})
        found = moat.registry.get("team/hello", "1.0.0")
        assert (found.version, found.digest, found.release) == ("1.0.0", made.digest, None)
        assert [version.digest for version in moat.registry.list("team/hello")] == [made.digest]
        assert moat.registry.render("team/hello", "1.0.0", name="Zoë {{ 1 }}") == found.render(name="Zoë {{ 1 }}")
        with pytest.raises(RequestError, match="name"):
            moat.registry.render("team/hello", "1.0.0")
        for ask in (moat.registry.get, moat.registry.render):
            with pytest.raises(NotFound, match=r"1\.0\.0"):
                ask("team/hello", "latest")
        with pytest.raises(NotFound, match="no/such"):
            moat.registry.list("no/such")
        with Moat(server.url, app) as application, pytest.raises(AccessError, match="admin"):
            application.registry.register("team/hello", "2.0.0", content)


@pytest.mark.anyio
async def test_the_registry_for_asyncio(project: Project) -> None:
    admin = project.key("--role", "admin")
    content = {"model": "assistant", "messages": [{"role": "user", "content": "Hello."}]}
    with project.serving() as server:
        async with AsyncMoat(server.url, admin) as moat:
            made = await moat.registry.register("team/hello", "1.0.0", content)
            assert (await moat.registry.get("team/hello", "1.0.0")).digest == made.digest
            assert await moat.registry.list("team/hello") == [made]
            assert await moat.registry.render("team/hello", "1.0.0") == [{"role": "user", "content": "Hello."}]
