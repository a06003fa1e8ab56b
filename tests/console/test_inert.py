"""Nothing that anybody wrote runs, loads, leads elsewhere or looks like a page of Moat: it is text, on every page."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Request, expect

from moat.gateway.http import App, Receive, Scope, Send, respond
from moat.testing.loopback import on_loopback
from tests.console.conftest import ROOT, Faults, Visit
from tests.console.corpus import BEACON, CORPUS, MARKUP, NAMES, placed
from tests.console.planted import HOSTILE, SESSION, TRACE, planted
from tests.console.world import Shown

WATCH = """
window.happened = [];
window.ran = (...what) => { happened.push(`ran ${what} in ${document.currentScript?.src}`); };
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = () => { happened.push(name); };
addEventListener('securitypolicyviolation', event => {
  happened.push(`${event.violatedDirective} stopped ${event.blockedURI} ${event.sample}`);
});
"""
"""Before anything of a page: what the corpus calls. By the debugger's way, which no policy has a say in."""

LOOK = """() => {
  const found = [...window.happened];
  const home = location.origin;
  const urls = ['href', 'src', 'srcset', 'action', 'formaction', 'data', 'poster', 'xlink:href', 'ping', 'background'];
  for (const element of document.querySelectorAll('*')) {
    const tag = element.localName;
    const inHead = document.head.contains(element);
    if (['iframe', 'frame', 'object', 'embed', 'base', 'applet', 'img', 'video', 'audio', 'math', 'area'].includes(tag)
        || (!inHead && ['script', 'style', 'link', 'meta', 'title'].includes(tag) && !element.closest('svg')))
      found.push(`an element ${tag}`);
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || name === 'srcdoc') found.push(`${tag} ${name}=${value}`);
      if (name === 'style' && /url|expression|@/i.test(value)) found.push(`${tag} style=${value}`);
      if (!urls.includes(name) || value.startsWith('#')) continue;
      const url = new URL(value, document.baseURI);
      const icon = inHead && url.protocol === 'data:';
      if (!icon && (!/^https?:$/.test(url.protocol) || url.origin !== home)) found.push(`${tag} ${name}=${value}`);
    }
  }
  if (({}).polluted !== undefined) found.push('the prototype of objects is polluted');
  return found;
}"""
"""What is on a page, or happened on it, that only the corpus can have brought about."""

ROUTE = re.compile(
    r"(?:const (\w+) = )?createRoute\(\{\s*getParentRoute: \(\) => (\w+),\s*(?:id: \"\w+\",\s*)?path: \"([^\"]*)\""
)
FIELD = re.compile(r"search\[\"(\w+)\"\]")
TABS = ("content", "versions", "differences", "lineage", "edit", "try", "propose")

QUIET = {
    *("/sign-in", "/welcome", "/evals", "/evals/runs", "/evals/power", "/evals/judges"),
    *("/spend/limits", "/guards", "/guards/try", "/settings", "/settings/doctor", "/settings/providers"),
}
"""Pages that show no text that everybody can choose: names of suites, guards and models fit a pattern."""

Places = dict[str, list[str]]


@pytest.fixture(scope="module")
def shown(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The project of `planted` in the place of the one that other tests share."""
    with planted(template, tmp_path_factory.mktemp("planted") / "example") as running:
        yield running


@pytest.fixture
def page(visit: Visit, faults: Faults) -> Page:
    """Of an administrator, watched. What is not found is none of the matter."""
    faults.forgive(r"the server responded with a status of 4\d\d")
    page = visit("admin")
    page.add_init_script(WATCH)
    page.on("dialog", lambda dialog: faults.add(f"a dialog: {dialog.message}"))
    page.on("popup", lambda popup: faults.add(f"another page: {popup.url}"))
    page.on("download", lambda download: faults.add(f"a download: {download.url}"))
    return page


def routes() -> dict[str, list[str]]:
    """Addresses of the console, with the fields that may stand behind each, as its source has them."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "web/src/pages").glob("*/routes.ts")):
        source = file.read_text("utf-8")
        folders = {"inside": "", "rootRoute": ""}
        made = ROUTE.findall(source)
        assert len(made) == source.count("createRoute({"), f"{file}: a route is written in a way this test cannot read"
        parents = {parent for _, parent, _ in made}
        fields = FIELD.findall(source)
        for name, parent, path in made:
            whole = f"{folders[parent]}/{path.strip('/')}".rstrip("/")
            if name in parents:
                folders[name] = whole
            else:
                found[whole or "/"] = fields
    return found


def places(shown: Shown) -> Places:
    """Where each address of the console leads to what is planted."""

    def get(path: str) -> Any:
        status, body = shown.server.get(f"/api/v1/{path}")
        assert status == 200, body
        return body

    calls = [span for span in get("traces?limit=1000") if span["request_id"]]
    failed = next(call["request_id"] for call in calls if call.get("error"))
    every = next(call["request_id"] for call in calls if call.get("user") == "all")
    runs = [run["id"] for run in get("runs?suite=hostile")["runs"]]
    release = get(f"releases?prompt={HOSTILE}")[0]["id"]
    case = placed(NAMES[0])
    prompts = [f"/prompts/{HOSTILE}?tab={tab}&version=1.0.0&from=1.0.0&to=1.1.0" for tab in TABS]
    return {
        "/": ["/"],
        "/sign-in": ["/sign-in"],
        "/welcome": ["/welcome"],
        "/traces": ["/traces?window=all", "/traces?window=all&failed=true"],
        "/traces/compare": [f"/traces/compare?a={every}&b={failed}", f"/traces/compare?a={TRACE}&b={every}"],
        "/traces/$id": [f"/traces/{each}" for each in (every, failed, TRACE)]
        + [f"/traces/{TRACE}?span={number:016x}" for number in range(2, 5)],
        "/sessions": ["/sessions?window=all", "/sessions?tab=users&window=all"],
        "/sessions/$id": [f"/sessions/{placed(SESSION)}", f"/sessions/{placed(NAMES[0])}"],
        "/users/$id": [f"/users/{placed(name)}?window=all" for name in NAMES[:2]],
        "/prompts": ["/prompts", "/prompts?show=proposals"],
        "/prompts/$": prompts,
        "/evals": ["/evals"],
        "/evals/runs": ["/evals/runs?suite=hostile"],
        "/evals/power": ["/evals/power?suite=hostile"],
        "/evals/judges": ["/evals/judges"],
        "/evals/runs/$id": [f"/evals/runs/{runs[0]}", f"/evals/runs/{runs[0]}?score=relevant&slices=tags&case={case}"],
        "/evals/compare": [f"/evals/compare?run={runs[0]}&baseline={runs[1]}"],
        "/releases": ["/releases"],
        "/releases/served": [f"/releases/served?prompt={placed(HOSTILE)}&environment=staging"],
        "/releases/$id": [f"/releases/{release}"],
        "/spend": [f"/spend?by={by}&days=7" for by in ("tenant", "feature", "tag")],
        "/spend/limits": ["/spend/limits"],
        "/spend/keys": ["/spend/keys?all=true"],
        "/guards": ["/guards?window=30d"],
        "/guards/policies": ["/guards/policies"],
        "/guards/try": ["/guards/try"],
        "/settings": ["/settings"],
        "/settings/providers": ["/settings/providers"],
        "/settings/accounts": ["/settings/accounts"],
        "/settings/doctor": ["/settings/doctor?all=true"],
        "/settings/audit": ["/settings/audit", "/settings/audit?action=prompt"],
    }


def settle(page: Page) -> None:
    """Wait until a page shows what it has to show, all of it open."""
    expect(page.locator("h1, [role=alert], h2").first).to_be_visible()
    expect(page.locator("[data-loading]")).to_have_count(0)
    page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => document.fonts.ready.then(() => true)")


def inert(page: Page) -> None:
    """Nothing of the corpus did anything here."""
    assert page.evaluate(LOOK) == [], page.url


def folded(text: str) -> str:
    """With single spaces, as a browser sets it."""
    return " ".join(text.split())


def read(page: Page) -> str:
    """What somebody reads on the page, fields included."""
    fields = page.locator("main input, main textarea")
    typed = fields.evaluate_all("fields => fields.map(field => field.value).join(' ')")
    return folded(f"{page.locator('body').inner_text()} {typed}")


def open_at(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)
    inert(page)


def test_no_page_is_left_out(shown: Shown) -> None:
    assert places(shown).keys() == routes().keys(), "every address needs a place where it shows what is planted"


@pytest.mark.promise("inj-9")
def test_on_every_page_it_does_nothing(page: Page, shown: Shown) -> None:
    for route, addresses in places(shown).items():
        words = ""
        for address in addresses:
            open_at(page, address)
            words += read(page)
        there = [text for text in CORPUS if len(text) > 14 and folded(text) in words]
        assert there or route in QUIET, f"{route} shows nothing that is planted"


@pytest.mark.promise("inj-9")
def test_in_any_address_it_does_nothing(page: Page) -> None:
    """Links are sent around: what a page reads of its address anybody can have written."""
    texts = [text for text in CORPUS if len(text) < 500 and "\x00" not in text]
    for number, (route, fields) in enumerate(routes().items()):
        text = placed(texts[number % len(texts)])
        query = "&".join(f"{name}={placed(texts[(number + at) % len(texts)])}" for at, name in enumerate(fields))
        open_at(page, f"{'/'.join(text if part.startswith('$') else part for part in route.split('/'))}?{query}#{text}")
    for text in MARKUP[:5]:
        open_at(page, f"/nowhere/{placed(text)}")


@pytest.mark.promise("inj-9")
def test_what_models_answered_and_people_asked_is_read_as_it_was_written(page: Page, shown: Shown) -> None:
    every = next(call for call in shown.server.get("/api/v1/traces?limit=1000")[1] if call.get("user") == "all")
    open_at(page, f"/traces/{every['request_id']}")
    conversation = page.get_by_label(re.compile("^Detail of ")).locator("[data-role=user] pre")
    said = conversation.all_inner_texts()
    guarded = Counter(text for text in CORPUS if not text.isprintable())
    for text in CORPUS:
        if not guarded[text] and len(text) < 2000:
            assert text in said, text
    assert f"{'w' * 2000}…" in said

    open_at(page, f"/traces/{TRACE}")
    tree = page.get_by_role("tree", name="Spans")
    for text in MARKUP:
        expect(tree).to_contain_text(text)


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize(
    "address", ["/spend/keys?all=true", "/settings/accounts", "/sessions?tab=users&window=all", "/evals/runs/RUN"]
)
def test_names_are_read_as_they_were_given(page: Page, shown: Shown, address: str) -> None:
    run = shown.server.get("/api/v1/runs?suite=hostile")[1]["runs"][0]["id"]
    open_at(page, address.replace("RUN", run))
    expect(page.locator("main")).to_contain_text(NAMES[-1])
    words = read(page)
    missing = [text for text in NAMES if folded(text) not in words]
    assert missing == []


@pytest.mark.promise("inj-9")
def test_why_a_scorer_judged_so_is_read_as_it_was_written(page: Page, shown: Shown) -> None:
    run = shown.server.get("/api/v1/runs?suite=hostile")[1]["runs"][0]["id"]
    open_at(page, f"/evals/runs/{run}?case={placed(MARKUP[0])}")
    words = read(page)
    for text in MARKUP[:9]:
        assert folded(text) in words


@pytest.mark.promise("inj-9")
def test_what_is_typed_does_nothing_either(page: Page) -> None:
    everything = "\n".join(text for text in CORPUS if "\x00" not in text)
    open_at(page, "/guards/try")
    page.get_by_label("Text").fill(everything)
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_role("region", name="What would be done")).to_contain_text(MARKUP[0])
    inert(page)
    page.keyboard.press("Control+k")
    for text in (MARKUP[5], "{{constructor.constructor('ran()')()}}"):
        page.get_by_role("dialog").get_by_role("combobox").fill(text)
        expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
        inert(page)
    page.keyboard.press("Escape")
    open_at(page, f"/prompts/{HOSTILE}?tab=edit&version=1.0.0")
    page.get_by_label("question").fill(everything)
    expect(page.get_by_role("region", name="Rendered user message")).to_contain_text(MARKUP[0])
    inert(page)
    page.get_by_role("link", name="Playground").click()
    page.get_by_role("button", name="Ask").first.click()
    expect(page.get_by_role("article").first).to_contain_text("finished")
    settle(page)
    inert(page)


def _note(asked: list[str], request: Request) -> None:
    asked.append(request.url)


@pytest.mark.promise("inj-9")
def test_the_corpus_bites_where_a_page_takes_it_for_markup(browser: Any) -> None:
    """Else all of the above would say nothing: the same watching, on a page that shows texts as `innerHTML`."""

    async def careless(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(
            send, 200, b"<!doctype html><title>A page without a policy</title>", [(b"content-type", b"text/html")]
        )

    app: App = careless
    with on_loopback(app) as url:
        context: BrowserContext = browser.new_context(base_url=url)
        bitten = 0
        for text in MARKUP:
            page = context.new_page()
            asked: list[str] = []
            page.on("request", partial(_note, asked))
            page.add_init_script(WATCH)
            page.goto("/")
            # As a document: `innerHTML` alone runs no script elements.
            page.evaluate("text => document.body.append(document.createRange().createContextualFragment(text))", text)
            for _ in range(100):  # what does not bite is waited for in vain, so this is no more than seconds
                with suppress(Error):  # the page has just gone elsewhere; the next look sees that
                    if page.url != f"{url}/" or any(each.startswith(BEACON) for each in asked) or page.evaluate(LOOK):
                        bitten += 1
                        break
                page.wait_for_timeout(50)
            page.close()
        context.close()
    assert bitten >= len(MARKUP) - 4, f"{bitten} of {len(MARKUP)}"
