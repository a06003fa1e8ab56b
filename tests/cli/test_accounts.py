"""`moat accounts` without a server, and the first sign-in of a server that nobody has an account on."""

import http.cookiejar
import json
import os
import re
import signal
import urllib.request
from typing import Any

import pytest

from tests.bootstrap.projects import Project, Server, eventually

PASSWORD = "a few long words"


class Browser:
    """Keeps cookies, and shows the session's token when it changes something."""

    def __init__(self, url: str, jar: http.cookiejar.CookieJar | None = None) -> None:
        self.url = url
        self.jar = http.cookiejar.CookieJar() if jar is None else jar
        self.csrf = ""

    def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json", "x-moat-csrf": self.csrf}
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        try:
            with opener.open(request, timeout=60) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, raw = error.code, error.read()
        answer = json.loads(raw) if raw else None
        if isinstance(answer, dict) and answer.get("csrf"):
            self.csrf = answer["csrf"]
        return status, answer

    def follow(self, link: str, **said: str) -> tuple[int, Any]:
        return self.ask("POST", "invitations/accept", {"token": link.partition("#")[2], "password": PASSWORD, **said})


def link_in(text: str) -> str:
    found = re.search(r"http://\S+/welcome#[\w-]{43}", text)
    return found[0] if found else ""


def said_by(server: Server) -> str:
    """What a server says when it is up, once it has said all of it."""

    def said() -> str:
        found = server.project.log().partition(f"Moat is up on {server.url}")[2]
        return found if "moat keys create" in found or '"level"' in found else ""

    return eventually(said)


def test_accounts_are_made_listed_and_changed(project: Project) -> None:
    assert "No accounts yet" in project.ok("accounts", "list").out
    made = project.ok("accounts", "add", "Ada@Example.org", "--role", "admin", "--name", "Ada", "--json").json
    assert (made["account"]["email"], made["account"]["role"]) == ("ada@example.org", "admin")
    assert link_in(made["link"]) == made["link"]
    assert link_in(project.ok("accounts", "add", "bob@example.org", "--role", "viewer").out)
    project.ok("accounts", "role", "bob@example.org", "expert")
    project.ok("accounts", "disable", "bob@example.org")
    listed = project.ok("accounts", "list", "--json").json
    assert [(one["email"], one["role"], bool(one["disabled_ns"])) for one in listed] == [
        ("ada@example.org", "admin", False),
        ("bob@example.org", "expert", True),
    ]
    assert "not yet" in project.ok("accounts", "list").out
    project.ok("accounts", "enable", "BOB@example.org")
    assert link_in(
        project.ok("accounts", "invite", "bob@example.org", "--url", "http://moat.example.org/").out
    ).startswith("http://moat.example.org/welcome#")
    log = project.ok("audit", "list", "--action", "account", "--json").json
    assert {one["entry"]["action"] for one in log} == {
        *("account.create", "account.change", "account.disable", "account.enable", "account.invite"),
    }
    assert "welcome" not in json.dumps(log)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "nobody", "--role", "viewer"], "no e-mail address"),
        (["add", "ada@example.org", "--role", "viewer"], "has an account already"),
        (["role", "bob@example.org", "viewer"], "has no account"),
        (["role", "ada@example.org", "engineer"], "last active admin"),
        (["disable", "ada@example.org"], "last active admin"),
        (["add", "bob@example.org", "--role", "app"], "viewer"),
    ],
)
def test_what_cannot_be_is_refused(project: Project, arguments: list[str], said: str) -> None:
    project.ok("accounts", "add", "ada@example.org", "--role", "admin")
    result = project.run("accounts", *arguments)
    assert result.code != 0
    assert said in result.err


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_server_lets_its_first_admin_in_and_keeps_sessions_over_a_kill(project: Project, workers: str) -> None:
    with project.serving("--workers", workers) as server:
        first = link_in(said_by(server))
        assert first.startswith(server.url)
    with project.serving("--workers", workers) as server:
        link = link_in(said_by(server))
        ada = Browser(server.url)
        assert ada.follow(first, name="Ada", email="ada@example.org")[0] == 404, "a fresh one at each start"
        assert ada.follow(link, name="Ada", email="ada@example.org")[0] == 200
        invited = ada.ask("POST", "accounts", {"email": "bob@example.org", "role": "expert"})[1]
        bob = Browser(server.url)
        assert bob.follow(invited["link"])[0] == 200
        for _ in range(8):  # whichever process accepts the connection
            assert bob.ask("GET", "session")[1]["role"] == "expert"
            assert bob.ask("GET", "accounts")[0] == 403
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(60)
    with project.serving("--workers", workers) as server:
        assert link_in(said_by(server)) == ""
        ada, bob = Browser(server.url, ada.jar), Browser(server.url, bob.jar)
        assert ada.ask("GET", "session")[1]["actor"] == "ada@example.org"
        assert bob.ask("GET", "session")[0] == 200
        project.ok("accounts", "disable", "bob@example.org")
        assert bob.ask("GET", "session")[0] == 401, "at once"
        link = project.ok("accounts", "invite", "ada@example.org", "--json").json["link"]
        assert link.startswith(server.url)
        assert Browser(server.url).follow(link)[0] == 200
        assert ada.ask("GET", "session")[0] == 401, "another password ends the sessions there were"


def test_a_log_for_machines_holds_no_link(project: Project) -> None:
    with project.serving("--log-format", "json") as server:
        said = eventually(lambda: next((log for log in [project.log()] if "moat accounts add" in log), ""))
        assert server.get("/api/v1/status")[0] == 200
        assert "welcome#" not in said + project.log()
