"""Tables, blocks and text as it is."""

import sys

import pytest

from moat.cli import output
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
