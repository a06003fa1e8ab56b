"""One value of a file becomes another, and nothing else of the file does."""

import copy
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.documents import parse_yaml, rewritten
from moat.domain.errors import DocumentError

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=12)
VALUES = st.one_of(
    TEXTS,
    st.integers(-(10**12), 10**12),
    st.floats(-1e9, 1e9, allow_nan=False),
    st.booleans(),
    st.none(),
    st.lists(NAMES, max_size=3),
    st.dictionaries(NAMES, st.lists(TEXTS, min_size=1, max_size=2), max_size=2),
)
ITEMS = st.builds(
    lambda name, rest: {"name": name, **rest},
    NAMES,
    st.dictionaries(st.sampled_from(["per", "match", "money", "tokens", "window", "warn_at"]), VALUES, max_size=4),
)
COMMENTS = st.lists(st.sampled_from(["", "# why: see #12", "#- {name: old, tokens: 5}", "# 'a \"b"]), max_size=2)
STYLES = ("block", "indentless", "braces", "brackets", "one line")


class Written(NamedTuple):
    """A file with a list of limits."""

    text: str
    data: Any
    spans: list[tuple[int, int]]
    """First line of each limit, and the one behind its last; comments behind values are part of it."""
    style: str


def inline(value: Any) -> str:
    """A value on one line, not by the code that is tested."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(key)}: {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        shown = (c if c.isascii() and c.isprintable() and c not in '\\"' else f"\\U{ord(c):08x}" for c in value)
        return '"' + "".join(shown) + '"'
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value)


@st.composite
def files(draw: st.DrawFn) -> Written:
    style = draw(st.sampled_from(STYLES))
    items = draw(st.lists(ITEMS, min_size=1, max_size=4))
    before = ["project: x   # whose", *draw(COMMENTS), "models: {a: {use: [s/m]}}", *draw(COMMENTS)]
    behind = draw(st.sampled_from(["", "  # of the team"]))
    after = [
        *draw(COMMENTS),
        *draw(st.sampled_from([[], ["console:", "  playground:", "    per_day: '5.00'  # each"]])),
    ]
    after += draw(COMMENTS)
    dash = "" if style == "indentless" else "  "
    lines, spans = list(before), []
    lines.append({"brackets": "limits: [", "one line": f"limits: {inline(items)}{behind}"}.get(style, "limits:"))
    for at, item in enumerate(items if style != "one line" else []):
        lines += [f"{dash}{line}" if line else "" for line in draw(COMMENTS)]
        first = len(lines)
        if style == "brackets":
            comma = "," if at + 1 < len(items) or draw(st.booleans()) else ""
            lines.append(f"  {inline(item)}{comma}{behind}")
        elif style == "braces":
            lines.append(f"{dash}- {inline(item)}{behind}")
        else:
            keys = [f"{key}: {inline(value)}{behind}" for key, value in item.items()]
            lines += [f"{dash}{'  ' if at else '- '}{line}" for at, line in enumerate(keys)]
        spans.append((first, len(lines)))
    lines += ["]"] if style == "brackets" else []
    text = "\n".join([*lines, *after]) + draw(st.sampled_from(["\n", ""]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return Written(text, parse_yaml(text).data, spans, style)


def changed(written: Written, data: Any) -> list[str]:
    """Lines of the file with `data` in it, which it holds."""
    text = rewritten(parse_yaml(written.text, name="moat.yaml"), data)
    assert parse_yaml(text).data == data
    assert text.count("\r") == (text.count("\n") if "\r" in written.text else 0)
    return text.splitlines()


@given(files(), ITEMS, st.data())
def test_an_entry_is_changed_and_all_other_lines_stay(written: Written, item: Any, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(written.data["limits"]) - 1))
    wanted = copy.deepcopy(written.data)
    kept = data.draw(st.sets(st.sampled_from(sorted(wanted["limits"][index]))))
    wanted["limits"][index] = {**{key: wanted["limits"][index][key] for key in sorted(kept)}, **item}
    lines, before = changed(written, wanted), written.text.splitlines()
    if written.spans:
        first, end = written.spans[index]
        assert lines[:first] == before[:first]
        assert lines[len(lines) - (len(before) - end) :] == before[end:]


@given(files(), ITEMS)
def test_an_entry_is_added_behind_the_others(written: Written, item: Any) -> None:
    lines = changed(written, {**written.data, "limits": [*written.data["limits"], item]})
    before = written.text.splitlines()
    if written.style == "one line":
        assert [line for line in lines if not line.startswith("limits:")] == [
            line for line in before if not line.startswith("limits:")
        ]
        return
    last = written.spans[-1][1]
    more = len(lines) - len(before)
    assert more > 0
    assert lines[: last - 1] == before[: last - 1]
    assert lines[last - 1].replace(",", "") == before[last - 1].replace(",", "")
    assert lines[last + more :] == before[last:]


@given(files(), st.data())
def test_an_entry_is_removed_with_its_lines_alone(written: Written, data: st.DataObject) -> None:
    count = len(written.data["limits"])
    index = data.draw(st.integers(0, count - 1))
    wanted = [limit for at, limit in enumerate(written.data["limits"]) if at != index]
    lines, before = changed(written, {**written.data, "limits": wanted}), written.text.splitlines()
    same_as_next = index + 1 < count and written.data["limits"][index] == written.data["limits"][index + 1]
    if written.style in ("block", "indentless", "braces") and wanted and not same_as_next:
        first, end = written.spans[index]
        assert lines == [*before[:first], *before[end:]]


@given(files(), TEXTS)
def test_a_value_below_sections_that_may_be_missing(written: Written, amount: str) -> None:
    wanted = {**written.data, "console": {"playground": {"per_day": amount}}}
    lines, before = changed(written, wanted), written.text.splitlines()
    if "console" in written.data:
        at = next(at for at, line in enumerate(before) if "per_day" in line)
        assert (lines[:at], lines[at + 1 :]) == (before[:at], before[at + 1 :])
        assert lines[at].endswith("# each")
    else:
        assert [line for line in before if line] == [
            line for line in lines if line and "console" not in line and "per_day" not in line
        ]


def edited(text: str, **limit: Any) -> str:
    document = parse_yaml(text, name="moat.yaml")
    return rewritten(document, {**document.data, "limits": [limit]})


def test_comments_and_quotes_of_an_entry_stay_too() -> None:
    text = "limits:\n  - name: a  # whose\n    # by contract\n    money: '25.00'   # a month\n    per: [key]\n"
    now = edited(text, name="a", money="30.00", per=["key"])
    assert now == text.replace("25.00", "30.00")


@pytest.mark.parametrize(
    "text",
    [
        "usual: &usual {name: a, tokens: 5}\nlimits: [*usual]\n",
        "limits:\n  - &usual {name: a, tokens: &five 5}\nother: *five\n",
    ],
)
def test_what_others_refer_to_is_left_to_people(text: str) -> None:
    with pytest.raises(DocumentError) as refused:
        edited(text, name="a", tokens=6)
    assert refused.value.where.startswith("moat.yaml:")
    assert "by hand" in refused.value.remedy


def test_an_anchor_that_nothing_of_the_change_touches_is_no_hindrance() -> None:
    text = "scopes: &scopes [key]\nlimits:\n  - {name: a, per: *scopes, tokens: 5}\n"
    assert edited(text, name="a", per=["key"], tokens=6) == text.replace("5", "6")


def test_an_unusual_way_to_write_keys_is_kept() -> None:
    text = "limits:\n  - ? name\n    : a\n    ? tokens\n    : 5\n"
    assert edited(text, name="a", tokens=6) == text.replace("5", "6")
