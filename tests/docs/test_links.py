"""Links lead somewhere, and code that a page names exists."""

import ast
import re
from pathlib import Path

import pytest

from moat.pipeline.recipe import CORE
from tests.docs.pages import ROOT, Page, page, pages, readmes

SOURCE = ROOT / "src" / "moat"
PLACES = (ROOT, SOURCE)
"""Where a path in a code span may begin: `docs/evals.md`, or `gateway/chat.py` below src/moat."""

EVERYWHERE = [*pages(), *readmes()]

_CODE = re.compile(r"(?P<path>[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+\.(?:py|md|toml|yml))(?::(?P<name>[A-Za-z_.]+))?")


@pytest.mark.parametrize("found", EVERYWHERE, ids=lambda found: found.name)
def test_links_lead_somewhere(found: Page) -> None:
    broken = []
    for link in found.links():
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (found.path.parent / path).resolve() if path else found.path
        lost = anchor and target.exists() and anchor not in page(target.relative_to(ROOT).as_posix()).anchors()
        if lost or not target.exists():
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("found", EVERYWHERE, ids=lambda found: found.name)
def test_code_that_a_page_names_exists(found: Page) -> None:
    """`gateway/chat.py:ChatCompletions` in a code span is a file and a class, function, method or constant in it."""
    missing = []
    for span in found.spans():
        match = _CODE.fullmatch(span)
        if match is None:
            continue
        file = next((place / match["path"] for place in PLACES if (place / match["path"]).is_file()), None)
        if file is None or (match["name"] and match["name"] not in _names(file)):
            missing.append(span)
    assert missing == []


def test_the_architecture_names_every_room() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    named = {span.rstrip("/") for span in page("ARCHITECTURE.md").spans()}
    assert rooms - named == set()


def test_the_architecture_names_every_stage_and_provider() -> None:
    files = [*SOURCE.glob("pipeline/stages/*.py"), *SOURCE.glob("gateway/*.py")]
    paths = {file.relative_to(SOURCE).as_posix() for file in files if file.name != "__init__.py"}
    named = {span.partition(":")[0] for span in page("ARCHITECTURE.md").spans()}
    assert paths - named == set()


def test_the_architecture_names_the_stages_in_their_order() -> None:
    spans = page("ARCHITECTURE.md").spans()
    named = dict.fromkeys(span.partition(":")[2] for span in spans if span.startswith("pipeline/stages/"))
    core = [stage.__name__ for stage in CORE]
    assert [name for name in named if name in core] == core


def _names(file: Path) -> set[str]:
    """Top-level names of a module, and `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if hasattr(item, "name")}
    return found
