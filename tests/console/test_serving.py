"""What a browser, and whoever means harm, gets of the built site."""

import gzip
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.console.app import Console
from moat.console.site import PIECE
from moat.gateway.http import App, Receive, Scope, Send, respond
from moat.testing.loopback import on_loopback

PAGE = "<!doctype html><title>Moat</title><script type=module src=/assets/index-1a2b.js></script>"
SCRIPT = "export const answer = 42;\n" * 10_000
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip, deflate, br, zstd"}
SECRET = "what the web server has no business with"


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


class Visited:
    """A console on a socket, and the folder it serves."""

    def __init__(self, built: Path, url: str) -> None:
        self.built = built
        self._address = url.removeprefix("http://")

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path exactly as it is written."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            return Answer(connection.getresponse())
        finally:
            connection.close()


async def management(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for the management API: says what it was asked."""
    asked = json.dumps([scope["method"], scope["path"]]).encode()
    kept = [(b"cache-control", b"private")] if scope["path"] == "/api/kept" else []
    status = 200 if scope["path"].startswith("/api/") else 404
    await respond(send, status, asked, [(b"content-type", b"application/json"), *kept])


def write_site(built: Path, page: str = PAGE) -> None:
    """What a build leaves, in small."""
    (built / "assets").mkdir(parents=True, exist_ok=True)
    for name, text in {"index.html": page, "assets/index-1a2b.js": SCRIPT, "favicon.svg": "<svg/>"}.items():
        (built / name).write_text(text)
    (built / "assets/index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT.encode(), 9, mtime=0))
    (built / "assets/plex-77.woff2").write_bytes(os.urandom(3 * PIECE + 1))
    (built / ".digest").write_text("0" * 64)


@pytest.fixture
def visited(tmp_path: Path) -> Iterator[Visited]:
    built = tmp_path / "built"
    write_site(built)
    app: App = Console(built, management)
    with on_loopback(app) as url:
        yield Visited(built, url)


def test_the_page_is_asked_for_again_each_time_and_sent_only_when_it_changed(visited: Visited) -> None:
    first = visited.get("/", **BROWSER)
    assert (first.status, first.body.decode()) == (200, PAGE)
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    again = visited.get("/", if_none_match=first.headers["etag"], **BROWSER)
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    weak = visited.get("/", if_none_match=f'"other", W/{first.headers["etag"]}', **BROWSER)
    assert weak.status == 304


def test_a_new_build_is_served_without_a_restart_whatever_its_time_says(visited: Visited) -> None:
    old = visited.get("/", **BROWSER)
    times = (visited.built / "index.html").stat()
    write_site(visited.built, PAGE.replace("1a2b", "9f8e"))
    os.utime(visited.built / "index.html", ns=(times.st_atime_ns, times.st_mtime_ns))
    new = visited.get("/", if_none_match=old.headers["etag"], **BROWSER)
    assert (new.status, new.body.decode()) == (200, PAGE.replace("1a2b", "9f8e"))

    (visited.built / "assets/index-9f8e.js").write_text("export {};")
    os.utime(visited.built / "index.html", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert visited.get("/", **BROWSER).status == 200
    assert visited.get("/assets/index-9f8e.js").body == b"export {};"


def test_files_with_a_digest_in_their_name_are_kept_for_a_year(visited: Visited) -> None:
    plain = visited.get("/assets/index-1a2b.js")
    assert (plain.status, plain.body.decode()) == (200, SCRIPT)
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in plain.headers
    font = visited.get("/assets/plex-77.woff2", **BROWSER)
    assert font.body == (visited.built / "assets/plex-77.woff2").read_bytes()
    assert (font.headers["content-type"], font.headers.get("vary")) == ("font/woff2", None)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=1.000", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("identity", False),
        ("br", False),
        ("", False),
    ],
)
def test_whoever_takes_gzip_gets_it(visited: Visited, accepted: str, packed: bool) -> None:
    answer = visited.get("/assets/index-1a2b.js", accept_encoding=accepted)
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert answer.headers["vary"] == "accept-encoding"
    assert int(answer.headers["content-length"]) == len(answer.body)
    text = gzip.decompress(answer.body) if packed else answer.body
    assert text.decode() == SCRIPT


@pytest.mark.parametrize("path", ["/", "/assets/index-1a2b.js", "/favicon.svg"])
def test_head_says_what_get_would_say(visited: Visited, path: str) -> None:
    got, asked = visited.get(path, **BROWSER), visited.get(path, "HEAD", **BROWSER)
    assert (asked.status, asked.body) == (200, b"")
    assert {**asked.headers, "date": ""} == {**got.headers, "date": ""}


@pytest.mark.parametrize("path", ["/traces", "/traces/tr_1?tab=cost", "/prompts/support%2Fanswer", "/index.html"])
def test_every_address_of_the_application_opens_it(visited: Visited, path: str) -> None:
    answer = visited.get(path, **BROWSER)
    assert (answer.status, answer.body.decode()) == (200, PAGE)


@pytest.mark.parametrize("path", ["/traces", "/robots.txt", "/nothing/here"])
def test_programs_are_told_that_there_is_nothing(visited: Visited, path: str) -> None:
    answer = visited.get(path, accept="application/json")
    assert (answer.status, json.loads(answer.body)) == (404, ["GET", path])
    assert visited.get(path, accept="*/*").status == 404


def test_an_asset_that_is_gone_is_no_page(visited: Visited) -> None:
    assert visited.get("/assets/index-0000.js", **BROWSER).status == 404
    visited.get("/")
    (visited.built / "assets/index-1a2b.js").unlink()
    assert visited.get("/assets/index-1a2b.js").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/status"), ("HEAD", "/api/v1/status"), ("GET", "/api/"), ("POST", "/"), ("DELETE", "/traces")],
)
def test_the_api_answers_for_what_is_not_the_site(visited: Visited, method: str, path: str) -> None:
    answer = visited.get(path, method, **BROWSER)
    if method != "HEAD":
        assert json.loads(answer.body) == [method, path]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_what_the_api_says_of_keeping_its_answers_counts(visited: Visited) -> None:
    assert visited.get("/api/kept").headers["cache-control"] == "private"


@pytest.mark.parametrize("path", ["/", "/traces", "/assets/index-1a2b.js", "/favicon.svg"])
def test_every_answer_forbids_what_the_console_does_not_need(visited: Visited, path: str) -> None:
    headers = visited.get(path, **BROWSER).headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "*" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert {each.strip().partition("=")[2] for each in headers["permissions-policy"].split(",")} == {"()"}


HOSTILE = [
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    "/assets/..%5c..%5csecret.txt",
    "//etc/passwd",
    "/%2fetc%2fpasswd",
    "/assets//etc/passwd",
    "/index.html%00.js",
    "/assets/index-1a2b.js%00",
    "/assets/%c0%ae%c0%ae/secret.txt",
    "/.digest",
    "/assets/index-1a2b.js.gz",
    "/assets/link.js",
    "/folder/secret.txt",
    "/assets/",
    "/assets",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leads_out_of_the_site(visited: Visited, path: str) -> None:
    secret = visited.built.parent / "secret.txt"
    secret.write_text(SECRET)
    (visited.built / "assets/link.js").symlink_to(secret)
    (visited.built / "folder").symlink_to(visited.built.parent)
    for headers in (BROWSER, {"accept": "*/*"}):
        answer = visited.get(path, **headers)
        assert SECRET.encode() not in answer.body
        assert b"root:" not in answer.body
        assert answer.status == 404 or answer.body.decode() == PAGE


def test_a_file_that_became_a_link_is_not_followed(visited: Visited) -> None:
    assert visited.get("/favicon.svg").status == 200
    secret = visited.built.parent / "secret.txt"
    secret.write_text(SECRET)
    (visited.built / "favicon.svg").unlink()
    (visited.built / "favicon.svg").symlink_to(secret)
    assert visited.get("/favicon.svg").status == 404


def test_without_a_build_the_page_says_what_to_do_and_works_once_it_is_done(tmp_path: Path) -> None:
    built = tmp_path / "built"
    with on_loopback(Console(built, management)) as url:
        visited = Visited(built, url)
        for path in ("/", "/traces"):
            answer = visited.get(path, **BROWSER)
            assert answer.status == 503
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "make console" in answer.body.decode()
        assert visited.get("/api/v1/status").status == 200
        write_site(built)
        assert visited.get("/", **BROWSER).body.decode() == PAGE
        assert visited.get("/assets/index-1a2b.js").status == 200
