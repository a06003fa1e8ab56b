import pytest

from moat.domain.errors import ConfigError
from moat.evals.suites import load_suite

SUITE = """\
prompt: support/answer
dataset: datasets/support.jsonl
repeats: 2
scorers:
  - {kind: json_schema, name: valid_json}
  - {kind: label, name: intent, path: intent, expected: labels.intent}
  - {kind: not_contains, path: answer, values: [guarantee]}
gates:
  - {score: intent, margin: 0.05, min: 0.7}
"""


def test_a_suite_is_read_with_its_defaults(tmp_path):
    (tmp_path / "support.yaml").write_text(SUITE)
    suite = load_suite(tmp_path / "support.yaml")
    assert suite.name == "support"
    assert suite.dataset == tmp_path / "datasets/support.jsonl"
    assert [scorer.name for scorer in suite.scorers] == ["valid_json", "intent", "not_contains"]
    assert (suite.repeats, suite.concurrency, suite.gates[0].margin) == (2, 16, 0.05)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("margin: 0.05", "margin: 0.1", True),
        ("repeats: 2", "repeats: 2\nconcurrency: 4", True),
        ("name: intent, ", "name: intent, kind: label, ".replace("kind: label, ", ""), True),
        ("kind: not_contains,", "kind: not_contains, name: not_contains,", True),
        ("repeats: 2", "repeats: 3", False),
        ("[guarantee]", "[promise]", False),
    ],
)
def test_the_digest_covers_scorers_and_repeats_only(tmp_path, old, new, same):
    (tmp_path / "a.yaml").write_text(SUITE)
    (tmp_path / "b.yaml").write_text(SUITE.replace(old, new))
    assert (load_suite(tmp_path / "a.yaml").digest == load_suite(tmp_path / "b.yaml").digest) is same


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("repeats: 2", "repeat: 2", "s.yaml:3", "Did you mean 'repeats'"),
        ("kind: label", "kind: lable", "s.yaml:6", "Did you mean 'label'"),
        ("kind: label", "kind: zzz", "s.yaml:6", "There are: agent"),
        ("path: intent", "paht: intent", "s.yaml:6", "Did you mean 'path'"),
        ("expected: labels.intent", "expected: label.intent", "s.yaml:6", "starts with"),
        ("[guarantee]", "[]", "s.yaml:7", "either `values` or `expected`"),
        ("name: valid_json", "name: intent", "s.yaml:6", "two scorers are named 'intent'"),
        ("score: intent", "score: inten", "s.yaml:9", "Did you mean 'intent'"),
        ("margin: 0.05, min: 0.7", "", "s.yaml:9", "demands nothing"),
        ("min: 0.7}", "min: 0.7}\n  - {score: intent, min: 1}", "s.yaml:10", "two gates"),
        ("margin: 0.05", "margin: 5", "s.yaml:9", "<= 1"),
        ("repeats: 2", "repeats: [", "s.yaml:", "not valid YAML"),
        ("datasets/support.jsonl", "/etc/passwd", "s.yaml:2", "outside of the project"),
        ("datasets/support.jsonl", "../../other/x.jsonl", "s.yaml:2", "outside of the project"),
        ("prompt: support/answer", "target: {kind: responses, path: ../../x.csv}", "s.yaml:1", "outside"),
    ],
)
def test_a_suite_that_does_not_fit_is_refused_with_its_place(tmp_path, old, new, place, message):
    (tmp_path / "s.yaml").write_text(SUITE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_suite(tmp_path / "s.yaml", name="s.yaml")
    assert caught.value.where.startswith(place)
    assert message in str(caught.value)
