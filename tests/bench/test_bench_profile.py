"""The profile: which layer a frame belongs to, and what the report says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import msgspec
import pytest
from rich.console import Console

from bench.profile import LOOP, OTHER, Report, layer_of, layer_of_file, table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("/x/moat/gateway/endpoint.py", "endpoint"),
        ("/x/moat/gateway/formats/openai_chat.py", "wire format: request and answer"),
        ("/x/moat/pipeline/stages/meter.py", "Meter"),
        ("/x/moat/pipeline/stages/cache.py", "Shadow, Resolve, Render, Route, Cache"),
        ("/x/uvicorn/protocols/http/httptools_impl.py", "HTTP server"),
        ("/x/moat/domain/calls.py", None),
    ],
)
def test_files_have_layers(path: str, layer: str | None) -> None:
    assert layer_of_file(path) == layer


def test_every_layer_is_of_a_file_that_exists() -> None:
    from bench.profile import LAYERS

    files = [f"/{path.relative_to(ROOT / 'src')}" for path in (ROOT / "src").rglob("*.py")]
    assert [part for part in LAYERS if "/uvicorn/" not in part and not any(part in file for file in files)] == []


def test_a_frame_counts_as_its_callers() -> None:
    found: list[str] = []

    def look() -> None:
        frame: FrameType | None = sys._getframe()
        found.append(layer_of(frame))

    def ask() -> None:
        look()

    ask.__code__ = ask.__code__.replace(co_filename="/x/moat/gateway/endpoint.py")
    ask()
    look()
    assert found == ["endpoint", OTHER]
    assert layer_of(None) == OTHER


def test_the_table_adds_up() -> None:
    console = Console(record=True, width=100)
    console.print(table(Report({"endpoint": 0.03, LOOP: 0.01}, threads=0.01, system=0.02), requests=1000))
    text = console.export_text()
    assert "1,000 requests" in text
    assert any(line.split("│")[2:4] == [" 50.0           ", " 100%  "] for line in text.splitlines() if " all " in line)


def test_a_sampled_process_reports(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from bench.profile import Sampler; s = Sampler(pathlib.Path(sys.argv[1]));"
        "print('ready', flush=True)\nwhile True: sum(range(1000))"
    )
    report = tmp_path / "report.json"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(report)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + 20
        while not report.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    found = msgspec.json.decode(report.read_bytes(), type=Report)
    assert found.layers[OTHER] > 0
    assert found.threads >= -0.01
