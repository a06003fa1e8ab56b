"""What the browser of somebody who is signed in is kept from: frames, other sites' pages, answers taken for pages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response

from moat.gateway.http import Receive, Scope, Send, respond
from moat.testing.loopback import on_loopback
from tests.console.conftest import Visit
from tests.console.world import Shown

NEW = {"email": "mallory@example.org", "role": "admin"}
CHANGES = {
    "/api/v1/accounts": NEW,
    "/api/v1/keys": {"name": "mallory", "role": "admin"},
    "/api/v1/alerts/silences": {"match": {"environment": "production"}, "length": "1h", "why": "mallory"},
    "/api/v1/rollbacks": {"prompt": "support/answer", "environment": "production", "reason": "mallory"},
    "/v1/feedback": {"request_id": "req_0", "thumbs": "down", "comment": "mallory"},
}
READ = (
    *("/api/v1/accounts", "/api/v1/keys", "/api/v1/alerts", "/api/v1/environments", "/api/v1/audit?limit=1"),
    "/api/v1/searches",
)
"""What could have changed."""
ANSWERS = {
    "/api/v1/session": "application/json",
    "/api/v1/status": "application/json",
    "/api/v1/openapi.json": "application/json",
    "/api/v1/nothing": "application/json",
    "/api/v1/traces/<script>": "application/json",
    "/api/v1/export?limit=5": "application/x-ndjson",
    "/api/v1/files/prompts/support/answer?version=1.0.0": "application/json",
}
"""Kinds of answers that a browser can be sent to, and what they say they are."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """A page of another site, on another port: to cookies that is the same site, as a neighbour's application is."""

    async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, b"<!doctype html><title>Elsewhere</title><body>", [(b"content-type", b"text/html")])

    with on_loopback(foreign) as url:
        yield url


@pytest.fixture(params=["neighbour", "stranger"])
def other(request: pytest.FixtureRequest, elsewhere: str) -> str:
    """The other site's address: with the console's host name, and with another."""
    return elsewhere if request.param == "neighbour" else elsewhere.replace("127.0.0.1", "localhost")


@pytest.fixture
def lured(browser: Browser, shown: Shown, visit: Visit, other: str) -> Page:
    """An administrator who is signed in, and has followed a link to the other site. Its errors are its own."""
    page = visit("admin").context.new_page()
    page.goto(other)
    return page


def state(shown: Shown) -> list[Any]:
    answers = {path: shown.server.get(path) for path in READ}
    # Which alerts are about to fire changes by itself.
    _, standing = answers["/api/v1/alerts"]
    return [*((path, answer) for path, answer in answers.items() if path != "/api/v1/alerts"), standing["silences"]]


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_changes_nothing(lured: Page, other: str, shown: Shown, kind: str) -> None:
    before = state(shown)
    for path, body in CHANGES.items():
        lured.goto(other)
        with lured.expect_navigation(url=f"{shown.url}{path}") as went:
            lured.evaluate(
                """([url, kind, body]) => {
                    const form = document.createElement('form');
                    Object.assign(form, {action: url, method: 'post', enctype: kind});
                    const [name, value] = body.split(':', 2);
                    const field = document.createElement('input');
                    Object.assign(field, {type: 'hidden', name: name + ':', value: body.slice(name.length + 1)});
                    form.append(field);
                    document.body.append(form);
                    form.submit();
                }""",
                [f"{shown.url}{path}", kind, json.dumps(body)],
            )
        answer = went.value
        assert answer is not None
        assert answer.status in (401, 403, 415), answer.text()
    assert state(shown) == before


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_a_script_of_another_site_changes_and_reads_nothing(lured: Page, shown: Shown, mode: str) -> None:
    """`no-cors` is sent at once, as forms are; `cors` with JSON is asked about before, by a preflight."""
    before, seen = state(shown), []

    def note(response: Response) -> None:
        seen.append((response.request.method, response.status))

    lured.on("response", note)
    kind = "application/json" if mode == "cors" else "text/plain"
    for path, body in CHANGES.items():
        for method in ("POST", "GET") if mode == "no-cors" else ("POST", "PUT", "PATCH", "DELETE"):
            told = lured.evaluate(
                """async ([url, method, mode, kind, body]) => {
                    try {
                        const sent = method === 'GET' ? {} : {body, headers: {'content-type': kind}};
                        const answer = await fetch(url, {method, mode, credentials: 'include', ...sent});
                        return `${answer.type} ${await answer.text()}`;
                    } catch (error) { return 'refused'; }
                }""",
                [f"{shown.url}{path}", method, mode, kind, json.dumps(body)],
            )
            assert told in ("refused", "opaque "), "another site reads the answer"
    assert all(status >= 400 for method, status in seen if method != "GET"), seen
    assert state(shown) == before


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("path", ["/", "/sign-in", "/welcome", "/traces", "/releases", *ANSWERS])
def test_nothing_is_shown_in_a_frame_of_another_site(lured: Page, shown: Shown, path: str) -> None:
    lured.evaluate(
        """url => new Promise(done => {
            const frame = document.createElement('iframe');
            frame.onload = done;
            frame.src = url;
            document.body.append(frame);
            setTimeout(done, 2000);  // what is saved as a file never loads
        })""",
        f"{shown.url}{path}",
    )
    assert [frame.url for frame in lured.frames[1:]] in (["chrome-error://chromewebdata/"], [""])


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("element", ["script", "img", "link", "object", "embed"])
def test_no_answer_is_a_part_of_another_sites_page(lured: Page, shown: Shown, element: str) -> None:
    """Not as a script either, in whose errors parts of it could be read."""
    for path in ANSWERS:
        told = lured.evaluate(
            """([tag, url]) => new Promise(done => {
                const element = document.createElement(tag);
                element.onload = () => done('loaded');
                element.onerror = () => done('refused');
                if (tag === 'link') Object.assign(element, {rel: 'stylesheet', href: url});
                else element[tag === 'object' ? 'data' : 'src'] = url;
                document.body.append(element);
                setTimeout(() => done('nothing'), 500);
            })""",
            [element, f"{shown.url}{path}"],
        )
        assert told != "loaded" or element in ("object", "embed"), path
        assert all("chrome-error" in frame.url or frame.url == "" for frame in lured.frames[1:]), path


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize(("path", "kind"), ANSWERS.items())
def test_the_apis_answers_are_no_pages(visit: Visit, shown: Shown, path: str, kind: str) -> None:
    answer = visit("admin").context.request.get(path, headers={"accept": "text/html,*/*"})
    headers = answer.headers
    assert headers["content-type"].partition(";")[0] == kind
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("path", ["/", "/sign-in", "/traces/<script>", "/assets/", "/api/v1/sign-in"])
def test_every_page_comes_with_the_policy(visit: Visit, path: str) -> None:
    answer = visit().context.request.get(path, headers={"accept": "text/html,*/*"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
