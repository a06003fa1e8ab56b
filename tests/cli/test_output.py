"""Tables, blocks and text as it is."""

import sys

import pytest

from moat.cli import edge, evals, output
from moat.cli.visible import visible
from moat.domain.scores import Result, Score
from moat.evals.running.tally import Progress

ROWS = [["run_0123456789abcdef", "support/answer@1.0.0", 7], ["run_fedcba9876543210", "", 1234]]


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    monkeypatch.setattr(output.out, "_width", width)
    output.print_table(["run", "prompt", "cases>"], ROWS, empty="none")
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_when_words_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    head, _, first, second = shown(monkeypatch, capsys, 80)
    assert head.split() == ["run", "prompt", "cases"]
    assert first.endswith("      7")
    assert second.endswith("   1234")


def test_blocks_when_they_do_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(monkeypatch, capsys, 40) == [
        "run     run_0123456789abcdef",
        "prompt  support/answer@1.0.0",
        "cases   7",
        "",
        "run     run_fedcba9876543210",
        "cases   1234",
    ]


def test_only_what_has_spaces_is_wrapped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["rel_0123456789abcdef", "support/answer@1.0.0"]
    for author in ("Ada", "Ada Augusta King of Lovelace", "one two three four five six seven eight nine ten"):
        monkeypatch.setattr(output.out, "_width", 64)
        output.print_table(["release", "prompt", "by", "share>"], [[*ids, author, "100 %"]], empty="")
        lines = capsys.readouterr().out.splitlines()
        assert any(all(part in line for part in ids) for line in lines), "ids in one piece, side by side"
        assert max(map(len, lines)) <= 64


def test_nothing_says_what_would_fill_it(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["a"], [], empty="No calls yet.")
    assert capsys.readouterr().out == "No calls yet.\n"


def test_text_is_neither_markup_nor_terminal_control(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "[bold]x[/y] :smile: \x1b]0;title\x07 \x1b[2J \x9b31m a\tb"
    output.out.print(hostile)
    output.print_table(["text"], [[hostile]], empty="")
    printed = capsys.readouterr().out
    assert printed.count("[bold]x[/y] :smile: \\x1b]0;title\\x07 \\x1b[2J \\x9b31m") == 2
    assert not {"\x1b", "\x07", "\x9b"} & set(printed)


def test_a_closed_pipe_is_left_to_main(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        encoding = "utf-8"

        def write(self, _text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        for write in (output.print_json, output.out.print):
            with pytest.raises(BrokenPipeError) as raised:
                write("x")
            assert raised.value.errno is None, "typer makes an exit code 1 of an EPIPE"


def test_progress_is_shown_on_terminals_only(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress_bar("support") as watch:
        watch(Progress(1, 2, 0, 0))
    assert capsys.readouterr() == ("", "")


def test_small_things() -> None:
    assert (output.milliseconds(1_240_000), output.milliseconds(1_234_000_000)) == ("1.2 ms", "1,234 ms")
    assert len(output.clock(0)) == 19


def test_an_error_steers_no_terminal_and_begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    edge._complain("service: said \x1b]0;title\x07\x9b31m\n::error::owned\r::stop-commands::x\ta")
    printed = capsys.readouterr().err
    assert printed == (
        "error: service: said \\x1b]0;title\\x07\\x9b31m\n  | ::error::owned\n  | ::stop-commands::x\ta\n"
    )


def test_a_text_looks_like_no_other() -> None:
    assert visible("pay \u202e001\u202c EUR\u2066 \u200f") == "pay \\u202e001\\u202c EUR\\u2066 \\u200f"
    assert visible("שלום, naïve, 日本語 👩\u200d💻") == "שלום, naïve, 日本語 👩\u200d💻"


def test_a_result_is_shown_without_a_line_that_a_ci_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "fine\n::set-output name=x::y\r\n  ::error::z\x1b[2J"
    messages = [{"role": "user", "content": hostile}, {"role": "assistant", "content": hostile}]
    scores = [Score(name="s", value=0.0, reason=hostile), Score(name="t", status="error", reason="::error::t")]
    evals._print_result(Result(case="::error::c\n::error::d", output=hostile, messages=messages, scores=scores), "")
    evals._print_result(Result(case="b", error=f"::error::e\n{hostile}"), "")
    evals._print_result(Result(case="c", output="one line"), "")
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.lstrip().startswith("::")]
    assert "  | ::set-output name=x::y" in lines
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "  | one line"
