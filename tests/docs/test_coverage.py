"""What a user can type, set, call or meet is documented; the generated pages are up to date."""

import re
from typing import Any

import msgspec

from moat.api.app import OPENAPI_PATH
from moat.api.routes import ENDPOINTS
from moat.bootstrap.plugins import SHIPPED, provider_kind
from moat.domain import errors
from moat.domain.config import Config
from moat.domain.policies import PolicyConfig
from moat.domain.scores import Case
from moat.evals.datasets.dataset import FORMATS
from moat.evals.scorers import KINDS
from moat.evals.suites import Gate, Replaced, Suite
from moat.evals.targets.spec import SPECS
from moat.guards.detector import REGISTERED, detector
from moat.prompts import lint
from moat.prompts.drift import KINDS as KINDS_OF_DRIFT
from moat.prompts.linting.rules import RULES
from moat.testing.simulation import Rules
from tests.docs import described
from tests.docs.alert_rules import rules_table
from tests.docs.cli_help import documented, help_texts, refreshed
from tests.docs.dependency_sizes import direct_dependencies
from tests.docs.pages import ROOT, page
from tests.docs.promises import PAGE, proofs, render, sections

SOURCE = ROOT / "src" / "moat"


def missing(names: str, wanted: set[str]) -> set[str]:
    """Those of the words that no code span of these pages is, or has as one of its words."""
    spans = {span for name in names.split() for span in page(name).spans()}
    words = {word for span in spans for word in re.findall(r"[\w-]+", span)}
    return wanted - words - spans


def keys(*types: Any) -> set[str]:
    """All field names, by their names in a file, of structs and what they hold."""
    _, components = msgspec.json.schema_components(types)
    return {name for schema in components.values() for name in schema.get("properties", {})}


def test_the_help_texts_are_up_to_date() -> None:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert documented(text) == list(help_texts()), "every command has its block, in the order of `moat --help`"
    assert refreshed(text) == text, "run `python -m tests.docs.regenerate`"


def test_the_consoles_client_is_made_from_the_api_as_it_is() -> None:
    assert described.PAGE.read_text("utf-8") == described.description(), "run `python -m tests.docs.regenerate`"


def test_every_key_of_moat_yaml_is_documented() -> None:
    assert (
        missing("docs/configuration.md docs/alerts.md docs/guards.md docs/data-handling.md docs/audit.md", keys(Config))
        == set()
    )


def test_the_shipped_alert_rules_are_documented_as_they_are() -> None:
    assert rules_table() in (ROOT / "docs" / "alerts.md").read_text("utf-8"), "run `python -m tests.docs.regenerate`"


def test_every_kind_of_provider_and_its_options_are_documented() -> None:
    kinds = [provider_kind(name, "").config for name in SHIPPED]
    assert missing("docs/providers.md", {*SHIPPED, *keys(*kinds), *keys(Rules)}) == set()


def test_every_scorer_and_its_options_are_documented() -> None:
    assert missing("docs/scorers.md docs/judges.md docs/evals-in-python.md", {*KINDS, *keys(*KINDS.values())}) == set()


def test_every_detector_and_what_a_policy_says_is_documented() -> None:
    detectors = {kind: detector(kind) for kind in REGISTERED}
    options = {option for found in detectors.values() for option in found.__struct_fields__}
    pages = (ROOT / "docs").glob("detectors-*.md")
    names = " ".join(f"docs/{path.name}" for path in pages)
    assert missing(f"docs/guards.md docs/agents.md {names}", {*REGISTERED, *options}) == set()
    in_examples = set(re.findall(r"\b(\w+):", (ROOT / "docs" / "guards.md").read_text("utf-8")))
    assert missing("docs/guards.md", keys(PolicyConfig) - in_examples) == set()


def test_suites_and_targets_are_documented() -> None:
    wanted = set(Suite.__struct_fields__) - {"name", "file"} | keys(Gate, Replaced, *SPECS.values())
    in_examples = set(re.findall(r"\b(\w+):", (ROOT / "docs" / "evals.md").read_text("utf-8")))
    assert missing("docs/evals.md", {*SPECS, *wanted} - in_examples) == set()


def test_what_a_dataset_may_be_and_hold_is_documented() -> None:
    for name in ("docs/evals.md", "docs/datasets.md"):
        assert missing(name, {*FORMATS, *keys(Case)}) == set()


def test_every_lint_rule_is_documented() -> None:
    sources = "".join(path.read_text("utf-8") for path in sorted((SOURCE / "prompts").rglob("*.py")))
    in_code = set(re.findall(r'\brule(?:: [^=\n]+)?\s*=\s*"([a-z-]+)"', sources))
    in_docstring = set(re.findall(r"`([a-z-]+)`", lint.__doc__ or ""))
    assert in_code, "the rules are not found where they were"
    assert (in_code | in_docstring) - RULES.keys() == set()
    page = (ROOT / "docs" / "lint.md").read_text("utf-8").partition("## Rules")[2]
    assert dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", page, flags=re.MULTILINE)) == RULES


def test_every_route_is_documented() -> None:
    gateway = re.findall(r'\("(GET|POST|PUT|DELETE)", "(/[^"]+)"\):', (SOURCE / "gateway/app.py").read_text("utf-8"))
    assert len(gateway) >= 5, "the routes are not found where they were"
    assert {f"{method} {path}" for method, path in gateway} - set(page("docs/gateway.md").spans()) == set()
    management = [("GET", OPENAPI_PATH), *((e.method, e.path.replace(":path", "")) for e in ENDPOINTS)]
    assert {f"{method} {path}" for method, path in management} - set(page("docs/api.md").spans()) == set()


def test_every_header_is_documented() -> None:
    files = set((SOURCE / "gateway").glob("*.py")) - {SOURCE / "gateway/feedback_page.py"}  # those are for browsers
    sources = "".join(path.read_text("utf-8") for path in files)
    headers = set(re.findall(r'b"(x-[a-z-]+|traceparent|retry-after)"', sources))
    assert missing("docs/gateway.md", headers) == set()


def test_every_kind_of_drift_is_documented() -> None:
    assert missing("docs/operations.md", set(KINDS_OF_DRIFT)) == set()


def test_every_error_is_documented() -> None:
    found = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.MoatError)]
    assert missing("docs/errors.md", {e.__name__ for e in found} | {e.code for e in found}) == set()


def test_every_direct_dependency_is_documented() -> None:
    assert missing("docs/dependencies.md", set(direct_dependencies())) == set()


def test_every_page_is_in_the_table_of_contents() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in page("README.md").links()}
    everything = set((ROOT / "docs").glob("*.md")) | {ROOT / "docs" / "decisions"}
    assert everything - linked == set()


def test_the_promises_are_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render(), "run `python -m tests.docs.regenerate`"


def test_promises_are_proved_as_far_as_they_say() -> None:
    states = {promise.id: promise.state for section in sections() for promise in section.promises}
    proved = {proof.promise for proof in proofs()}
    assert proved - states.keys() == set(), "these marks name no promise"
    assert {p for p, state in states.items() if state != "not yet"} - proved == set(), "no test proves these"
    assert {p for p, state in states.items() if state == "not yet"} & proved == set(), "these are not `not yet`"


def test_what_is_partly_kept_says_what_is_missing() -> None:
    promises = [promise for section in sections() for promise in section.promises]
    assert [p.id for p in promises if bool(p.missing) != (p.state == "partly")] == []


def test_no_proof_of_a_promise_is_skipped() -> None:
    assert [proof for proof in proofs() if proof.skipped] == []
