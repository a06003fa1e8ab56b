"""The house as drawn has every room, and the floors are enforced by import-linter over all of them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

ROOMS = {
    "adapters", "api", "batches", "bootstrap", "caching", "cli", "console", "documents", "domain", "evals",
    "evaluation", "gateway", "guards", "operations", "pipeline", "ports", "prompts", "retrieval", "routing", "sdk",
    "spend", "telemetry", "testing",
}  # fmt: skip


def test_every_room_is_there() -> None:
    rooms = {p.parent.name for p in (ROOT / "src" / "moat").glob("*/__init__.py")}
    assert rooms == ROOMS


def test_the_floors_cover_every_room_but_the_sdk() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    floors = project["tool"]["importlinter"]["contracts"][0]
    named = {room.strip() for floor in floors["layers"] for room in floor.split("|")}
    assert floors["exhaustive"] is True
    assert named == ROOMS - {"sdk"}
