"""`moat policy explain`: what would become of a request, without sending it."""

from pathlib import Path
from typing import Any

import pytest

from tests.bootstrap.projects import Project

CONFIG = """
providers:
  far: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
  own: {kind: openai, base_url: "http://127.0.0.1:8/v1"}
models:
  assistant: {use: [far/large, own/small]}
  outside: {use: [far/large]}
data:
  destinations:
    cloud: {providers: [far], region: us}
    house: {providers: [own], internal: true}
  rules:
    - {class: secret, to: [external], action: refuse}
    - {class: personal, to: ["region:us"], action: redact}
  capture: {secret: none}
policies:
  - name: everywhere
    guards:
      - {use: banned, with: {words: [forbidden]}, action: block}
      - {use: judge, with: {model: assistant}, action: block, on: [input]}
  - name: elsewhere
    when: {tenant: [acme]}
    guards: [{use: length, with: {max: 5}, action: flag}]
"""
KEY = "AKIAQ3EGRJX4KD7WLM2P"


@pytest.fixture
def explaining(project: Project) -> Project:
    (project.root / "moat.yaml").write_text(CONFIG, "utf-8")
    return project


def explained(project: Project, *arguments: str) -> Any:
    return project.ok("policy", "explain", *arguments, "--json").json


def test_what_is_found_goes_redacted_or_to_the_next(explaining: Project) -> None:
    found = explained(explaining, "Write to ada@example.org", "--model", "assistant")
    assert [(way["deployment"], way["destination"], way["action"]) for way in found["ways"]] == [
        ("far/large", "cloud", "redact"),
        ("own/small", "house", "allow"),
    ]
    assert (found["declared"], found["found"], found["kept"]) == ("internal", {"personal": 1}, "redacted")
    assert found["ways"][0]["why"][1] == "personal (found in it): redact by data.rules[1]"
    found = explained(explaining, f"It is {KEY}", "--model", "outside")
    assert (found["outcome"], found["kept"]) == ("refused", "none")


def test_guards_that_ask_a_model_are_named_and_left_out(explaining: Project) -> None:
    found = explained(explaining, "Hello there", "--model", "assistant")
    assert [(guard["guard"], guard["asks"]) for guard in found["guards"]] == [("banned", ""), ("judge", "assistant")]
    assert (found["action"], found["outcome"]) == ("pass", "sent")
    assert "length" in {
        guard["guard"] for guard in explained(explaining, "Hi", "--model", "assistant", "--tenant", "acme")["guards"]
    }
    (why,) = (why for name, why in found["elsewhere"].items() if name.startswith("elsewhere@"))
    assert why == "it is for tenant acme; the request has none"


def test_what_a_guard_blocks_goes_nowhere(explaining: Project) -> None:
    found = explained(explaining, "forbidden", "--model", "assistant")
    assert (found["outcome"], found["becomes"]) == ("blocked", "")


def test_a_declared_class_is_all_of_it(explaining: Project) -> None:
    found = explained(explaining, "Hello", "--model", "outside", "--class", "personal")
    assert (found["outcome"], found["kept"]) == ("refused", "none")
    assert "leaves nothing" in found["ways"][0]["why"][0]


def test_for_people(explaining: Project) -> None:
    out = explaining.ok("policy", "explain", "It is forbidden", "--model", "assistant").out
    assert "      ^^^^^^^^^ word 1.00, banned block" in out
    assert "not about it: elsewhere@" in out
    out = explaining.ok("policy", "explain", "Write to ada@example.org", "--model", "assistant").out
    assert "far/large" in out
    assert "outcome: sent" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("Hi",), "says not which model"),
        (("Hi", "--model", "nothing"), "nothing"),
        (("Hi", "--model", "assistant", "--class", "topsecret"), "no data class 'topsecret'"),
    ],
)
def test_bad_input(explaining: Project, arguments: tuple[str, ...], says: str) -> None:
    done = explaining.run("policy", "explain", *arguments)
    assert done.code != 0
    assert says in done.err


def test_a_prompt_brings_its_model_and_its_class(explaining: Project) -> None:
    path = Path(explaining.root) / "prompts/support/doctor/1.0.0.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("model: outside\ndata_class: personal\nmessages: [{role: system, content: Answer.}]\n", "utf-8")
    done = explaining.run("policy", "explain", "Hi", "--prompt", "support/doctor@1.0.0", "--json")
    assert done.code == 0, done.err
    assert (done.json["model"], done.json["declared"], done.json["outcome"]) == ("outside", "personal", "refused")


REDACTING = "\n  - {name: data, guards: [{use: secrets, action: block}, {use: pii, action: redact}]}\n"


def test_what_guards_hide_is_not_said_to_be_kept(explaining: Project) -> None:
    config = (explaining.root / "moat.yaml").read_text("utf-8")
    plain = config[: config.index("data:")] + config[config.index("policies:") :].rstrip() + REDACTING
    (explaining.root / "moat.yaml").write_text(plain, "utf-8")
    for text, outcome, kept in (
        ("Write to ada@example.org", "sent", "redacted"),
        (f"It is {KEY}", "blocked", "redacted"),
        ("Hello there", "sent", "full"),
    ):
        found = explained(explaining, text, "--model", "assistant")
        assert (found["outcome"], found["kept"]) == (outcome, kept), text


def test_an_environment_that_there_is_not_is_refused(explaining: Project) -> None:
    done = explaining.run("policy", "explain", "Hello", "--model", "assistant", "--env", "producton")
    assert done.code != 0
    assert "no environment 'producton'" in done.err
    explained(explaining, "Hello", "--model", "assistant", "--env", "eval")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('to: ["region:us"]', 'to: ["region:eu"]', "there is no destination 'region:eu'"),
        ("to: [external]", "to: [outside]", "there is no destination 'outside'"),
        ("providers: [own]", "providers: [ours]", "there is no provider 'ours'"),
        ("house: {", "internal: {", "'internal' means something else in rules"),
        ("data:\n", "data:\n  find: [{class: secret, patterns: ['(']}]\n", "no regular expression"),
    ],
)
@pytest.mark.parametrize("command", [("config", "check"), ("policy", "explain", "Hello", "--model", "assistant")])
def test_rules_about_data_that_make_no_sense_are_refused_with_their_place(
    explaining: Project, old: str, new: str, says: str, command: tuple[str, ...]
) -> None:
    assert explaining.run("config", "check").code == 0
    explaining.replace("moat.yaml", {old: new})
    done = explaining.run(*command)
    assert done.code != 0
    assert done.err.startswith("error: moat.yaml:")
    assert says in done.err
