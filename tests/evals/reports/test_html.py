import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from moat.domain.scores import Case, Result, Score
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.reports import explorer
from moat.evals.reports.html import to_html
from moat.evals.reports.page import printable
from moat.evals.reports.report import Mark
from tests.evals.reports.browser import browser, file_of
from tests.evals.reports.worlds import a_dataset, a_report, results

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><svg onload=window.hacked=1>',
    "</pre></details><iframe srcdoc='<script>parent.hacked=1</script>'>",
    "javascript:window.hacked=1",
    "' onmouseover='window.hacked=1",
    "{{constructor.constructor('window.hacked=1')()}}",
    "\u2028\u2029\u202e\x00\x07\x1b[31m",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
    "]]><script>window.hacked=1</script>",
)


class Outline(HTMLParser):
    """What a page is made of."""

    VOID = ("meta", "input", "circle", "line", "rect", "br")

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.attributes, self.unclosed = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unclosed.append(tag)


def hostile_report():
    cases, old, new = [], [], []
    for number, text in enumerate(HOSTILE):
        case = Case(
            id=f"{number} {printable(text)}", variables={"q": text}, expected=text, tags=[text], labels={"l": text}
        )
        cases.append(case)
        score = Score(name=f"facts {text}", value=0.0, reason=text, evidence={text: text})
        result = Result(
            case=case.id,
            output=f"{text} no",
            scores=[score],
            tool_calls=[{"function": {"name": text}}],
            messages=[{"role": text, "content": text}],
            context=[text],
        )
        new.append(result)
        old.append(replace(result, output=f"{text} yes", scores=[replace(score, value=1.0)]))
    new[3] = replace(new[3], error=HOSTILE[1], scores=[replace(new[3].scores[0], value=None, status="not_run")])
    dataset = Dataset(tuple(cases), dataset_digest(tuple(cases)))
    marks = {new[0].scores[0].name: Mark(text=HOSTILE[0])}
    run = {"author": HOSTILE[0], "split": HOSTILE[4]}
    return a_report(dataset=dataset, new=new, old=old, gates=(), slice_by=("tags", "labels.l"), marks=marks, run=run)


def test_the_page_is_whole_and_its_policy_allows_nothing_but_its_own_script():
    html = to_html(a_report(60))
    outline = Outline(html)
    assert (outline.open, outline.unclosed) == ([], [])
    assert len(outline.ids) == len(set(outline.ids))
    assert not [a for a in outline.attributes if a[1].startswith("on") or a[1] in ("style", "src", "href", "action")]
    policy = next(v for _, n, v in outline.attributes if n == "content" and v.startswith("default-src"))
    for tag in ("script", "style"):
        source = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        assert base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_without_scripts_the_verdict_the_numbers_and_the_worst_cases_are_there():
    html = re.sub(r"<script.*?</script>", "", to_html(a_report(400)), flags=re.DOTALL)
    assert "support/answer@1.1.0" in html
    assert "against 1.0.0" in html
    assert "Regressed" in html or "Inconclusive" in html or "Pass" in html
    assert "labels.intent=refund" in html
    assert "What got worse" in html
    assert "<del>" in html
    assert "<ins>" in html
    assert "Order 0 is on its way" not in html.partition("What got worse")[0]


def test_a_run_alone_says_nothing_of_a_baseline():
    html = to_html(a_report(20, paired=False, gates=()))
    assert "No gates" in html
    assert "baseline" not in re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL).lower()


def test_simulated_answers_and_uncalibrated_judges_are_said_first():
    marks = {"facts": Mark(text="uncalibrated judge", mean=0.5)}
    report = a_report(20, marks=marks, gates=())
    html = to_html(replace(report, run=replace(report.run, provider="simulated")))
    assert html.index("uncalibrated judge") < html.index("<h2>")
    assert html.index("The answers are simulated") < html.index("<h2>")
    assert "corrected 0.500" in html


def test_hostile_texts_make_no_markup():
    clean, dirty = Outline(to_html(a_report(12, gates=()))), Outline(to_html(hostile_report()))
    assert set(dirty.tags) <= {*clean.tags, "del", "ins"}
    assert (dirty.open, dirty.unclosed) == ([], [])
    assert not [a for a in dirty.attributes if a[1].startswith("on") or a[1] in ("src", "srcdoc", "href", "style")]


def test_a_large_report_stays_small_and_says_what_it_leaves_out(monkeypatch):
    for name, value in (("FULL_BYTES", 40_000), ("SHORT_BYTES", 60_000), ("MOST_BYTES", 70_000)):
        monkeypatch.setattr(explorer, name, value)
    dataset = a_dataset(600)
    report = a_report(dataset=dataset, new=results(dataset, lambda c: 0.9, text="{} " + "long " * 2000))
    data, left_out = explorer.case_data(report)
    assert len(data) < 100_000
    assert left_out > 0
    assert f"{left_out} more cases have no room" in to_html(report)
    assert b'"cut":1' in data


def test_the_list_works_in_a_browser(tmp_path):
    report = a_report(130)
    with browser() as tab:
        tab.open(file_of(tmp_path, to_html(report)))
        rows = "document.querySelectorAll('#cases tbody tr:not(.detail)').length"
        assert tab.value(rows) == 50
        assert tab.value("document.getElementById('count').textContent") == "130 of 130 cases"
        tab.value("document.getElementById('more').click()")
        tab.value("document.getElementById('more').click()")
        assert (tab.value(rows), tab.value("document.getElementById('more').hidden")) == (130, True)
        first = report.cases[0]
        tab.value("document.querySelector('#cases tbody button').click()")
        assert tab.value("document.querySelector('#cases tbody button').textContent") == first.case.id
        assert tab.value("document.querySelector('#cases tbody button').getAttribute('aria-expanded')") == "true"
        gone = "[...document.querySelectorAll('tr.detail pre')].find(p => p.querySelector('del')).textContent"
        new = "[...document.querySelectorAll('tr.detail pre')].find(p => p.querySelector('ins')).textContent"
        assert (tab.value(gone), tab.value(new)) == (first.baseline[0].output, first.candidate[0].output)
        tab.value("document.querySelector('#cases tbody button').click()")
        assert tab.value("document.querySelectorAll('tr.detail').length") == 0
        type_in = (
            "(v, id) => {{ const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event('input')) }}"
        )
        tab.value(f"({type_in.format()})('worse', 'change')")
        assert tab.value(rows) == min(50, sum(c.change == "worse" for c in report.cases))
        tab.value(f"({type_in.format()})('vip', 'tag')")
        vip = sum(c.change == "worse" and "vip" in c.case.tags for c in report.cases)
        assert tab.value("document.getElementById('count').textContent") == f"{vip} of 130 cases"
        tab.value(f"({type_in.format()})('', 'change')")
        tab.value(f"({type_in.format()})('', 'tag')")
        tab.value(f"({type_in.format()})('77?', 'search')")
        assert tab.value(rows) == 1
        tab.value(f"({type_in.format()})('', 'search')")
        sort = "document.querySelector('#cases th[data-score=\"1\"] button').click()"
        values = "[...document.querySelectorAll('#cases tbody tr')].map(r => parseFloat(r.children[3].textContent))"
        tab.value(sort)
        assert tab.value(values) == sorted(tab.value(values))
        tab.value(sort)
        assert tab.value(values) == sorted(tab.value(values), reverse=True)
        assert tab.problems == []


@pytest.mark.parametrize("width", [1280, 400])
def test_hostile_texts_run_nothing_in_a_browser_and_nothing_is_wider_than_the_window(tmp_path, width):
    with browser() as tab:
        tab.width(width)
        tab.open(file_of(tmp_path, to_html(hostile_report())))
        tab.value("document.querySelectorAll('details').forEach(d => { d.open = true })")
        tab.value("document.querySelectorAll('#cases tbody button').forEach(b => b.click())")
        assert tab.value("window.hacked") is None
        assert tab.value("document.querySelectorAll('iframe, img, svg:not(.plot), script').length") == 2
        assert tab.value("document.documentElement.scrollWidth") <= width
        names = "[...document.querySelectorAll('button, input, select')].filter(e => !(e.labels && e.labels.length)"
        assert tab.value(f"{names} && !e.textContent.trim()).length") == 0
        assert tab.value("[...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-label'))") is True
        assert tab.value("[...document.querySelectorAll('table')].every(t => t.caption || t.ariaLabel)") is True
        assert tab.problems == []


def test_what_a_case_says_is_shown_as_a_reader_wants_it():
    assert explorer.input_of(Case(id="a", variables={"q": "text"})) == "text"
    turns = Case(id="a", variables={"q": 1}, turns=["and then?"], context=["doc"], messages=[{"role": "user"}])
    assert explorer.input_of(turns) == {
        "q": 1,
        "messages": [{"role": "user"}],
        "turns": ["and then?"],
        "context": ["doc"],
    }
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]
    assert explorer.conversation([*said, {"content": [{"type": "text"}]}]).startswith("user: hi\n\nassistant: [")
