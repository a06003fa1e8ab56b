"""May a judge's scores be believed? What its calibration says today.

A calibration is a file of the project, `evals/calibrations/<suite>.<scorer>.json`. It holds for exactly the judge it
was made with: the prompt's text, the models, the scale, the panel, the repeats. It is found by that identity, so
suites that have the same judge share it.
"""

import datetime
import os
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from moat.domain.errors import DocumentError, StorageError
from moat.domain.releases import digest
from moat.evals.calibration.agreement import Measures, SliceMeasures
from moat.evals.scorers.scorer import Scorer

FOLDER = "evals/calibrations"
DAYS = 90
"""A calibration lasts so long, where nothing else is said."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a judge compared with people, once."""

    suite: str
    scorer: str
    identity: str
    """Digest over everything that makes the judge what it is."""
    prompt: str
    models: tuple[str, ...]
    labels: str
    """Digest over the labels."""
    measures: Measures
    slices: tuple[SliceMeasures, ...] = ()
    """Along the paths that the suite had then, else by tag."""
    failed: int = 0
    """Labelled answers that the judge could not score."""
    created: datetime.date
    expires: datetime.date


class Calibrated(msgspec.Struct, frozen=True):
    """The judge is known to agree with people, beyond chance."""

    calibration: Calibration
    state: Literal["calibrated"] = "calibrated"

    @property
    def words(self) -> str:
        """For reports."""
        kappa = self.calibration.measures.kappa
        return f"calibrated: kappa {kappa.value:.2f} on {self.calibration.measures.n} answers"


class Expired(msgspec.Struct, frozen=True):
    """It was, for a time that is over, or before the judge was changed."""

    calibration: Calibration
    reason: str
    state: Literal["expired"] = "expired"

    @property
    def words(self) -> str:
        """For reports."""
        return f"calibration expired: {self.reason}"


class Uncalibrated(msgspec.Struct, frozen=True):
    """It never was, or it was shown not to agree."""

    reason: str
    calibration: Calibration | None = None
    state: Literal["uncalibrated"] = "uncalibrated"

    @property
    def words(self) -> str:
        """For reports."""
        return f"uncalibrated: {self.reason}"


Standing = Calibrated | Expired | Uncalibrated


def judge_identity(scorer: Scorer) -> str:
    """What a calibration holds for; the scorer's name is no part of it. The scorer is pinned to its project."""
    return digest({**scorer.identity, "name": ""})


def standing(scorer: Scorer, root: Path, now_ns: int) -> Standing | None:
    """Of a pinned scorer, at a Unix time; None for one that is no judge. Raises `DocumentError` for a broken file."""
    if not scorer.judges:
        return None
    identity, known = judge_identity(scorer), calibrations(root)
    mine = [calibration for calibration in known if calibration.identity == identity]
    if not mine:
        before = [each for each in known if each.scorer == scorer.name]
        if before:
            newest = max(before, key=lambda each: each.created)
            return Expired(newest, f"the judge is not the one that was calibrated on {newest.created}")
        return Uncalibrated("nobody compared it with people")
    newest = max(mine, key=lambda each: each.expires)
    today = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC).date()
    if newest.expires <= today:
        return Expired(newest, f"it lasted until {newest.expires}")
    kappa = newest.measures.kappa
    if kappa.value is None:
        return Uncalibrated("people and judge gave every answer the same verdict: label some of the other kind", newest)
    if kappa.low <= 0:
        low, high = max(-1.0, kappa.low), kappa.high
        return Uncalibrated(
            f"no agreement beyond chance is proven (kappa {kappa.value:.2f}, 95 % interval {low:.2f} to {high:.2f}, "
            f"on {newest.measures.n} answers)",
            newest,
        )
    return Calibrated(newest)


def calibrations(root: Path) -> list[Calibration]:
    """All of a project. Raises `DocumentError` with the file that is broken."""
    found = []
    for path in sorted((root / FOLDER).glob("*.json")):
        where = f"{FOLDER}/{path.name}"
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Calibration))
        except OSError as error:
            raise DocumentError(f"cannot be read: {error.strerror}", where=where) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DocumentError(
                f"no calibration: {error}", where=where, remedy="Delete it, and run `moat judge calibrate` again."
            ) from None
    return found


def keep(root: Path, calibration: Calibration) -> str:
    """Write the file; its path relative to the root. Raises `StorageError`; then the old one stands."""
    path = f"{FOLDER}/{calibration.suite}.{calibration.scorer.replace('/', '_')}.json"
    write(root, path, msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
    return path


def write(root: Path, path: str, content: bytes) -> None:
    """Replace a file of the project, whole or not at all. Raises `StorageError`."""
    target = root / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=".moat-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(0o644)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=path) from None
