"""Prompts of judges that Moat brings along. A project takes a copy: from then on they are its own, to be versioned,
locked and changed like any other.
"""

from pathlib import Path

from moat.domain.errors import NotFound
from moat.prompts.variables import nearest

_FOLDER = Path(__file__).parent / "templates"
_MODEL = "model: judge\n"


def shipped() -> tuple[str, ...]:
    """Names of the metrics there are, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def template(metric: str, model: str) -> str:
    """The prompt file of a metric, for the model alias that shall judge. Raises `NotFound`."""
    if metric not in shipped():
        raise NotFound(f"Moat has no judge for {metric!r}", remedy=nearest(metric, shipped()))
    text = (_FOLDER / f"{metric}.yaml").read_text("utf-8")
    return text.replace(_MODEL, f"model: {model}\n", 1)


def description(metric: str) -> str:
    """What it judges, in one sentence."""
    first = template(metric, "judge").partition("\n")[0]
    return first.partition(": ")[2]
