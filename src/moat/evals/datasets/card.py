"""A dataset's card, `<name>.card.yaml` beside its file: what it is for, and into which splits it falls."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from moat.documents import decode, read_yaml
from moat.domain.errors import DatasetError, DocumentError
from moat.domain.scores import Case

SUFFIX = ".card.yaml"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a card says."""

    description: str = ""
    owner: str = ""
    licence: str = ""
    splits: dict[str, Share] = {}
    """Share of the cases by name of split, summing to 1, for cases that do not name theirs."""

    def split_of(self, case: Case) -> str:
        """The split that a case belongs to: the one it names, else the one that its hash falls on.

        Uniform in SHA-256 of the cluster, or of the id of a case that has none: cases of one cluster stay together,
        new cases move no other, and a case is in the same place in every dataset.
        """
        if case.split or not self.splits:
            return case.split
        return share_of(self.splits, f"cluster\0{case.cluster}" if case.cluster else f"case\0{case.id}")


def share_of(shares: Mapping[str, float], key: str) -> str:
    """The name whose share of [0, 1) a key's hash falls on."""
    point = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if point < reached:
            return name
    return name


def card_path(dataset: Path) -> Path:
    """Where the card of a dataset stands."""
    return dataset.with_name(dataset.stem + SUFFIX)


def read_card(dataset: Path, *, name: str = "") -> Card:
    """The card of a dataset; an empty one when it has none. `name` stands for the dataset's path in messages.

    Raises `DatasetError` with file and line.
    """
    path = card_path(dataset)
    shown = str(Path(name).with_name(path.name)) if name else str(path)
    if not path.exists():
        return Card()
    try:
        document = read_yaml(path, name=shown)
    except DocumentError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
    card = decode(document, Card, error=DatasetError) if document.data is not None else Card()
    if card.splits and abs(sum(card.splits.values()) - 1) > 1e-9:
        raise DatasetError(
            f"the shares of the splits sum up to {sum(card.splits.values()):.6g}",
            where=document.place(("splits",)),
            remedy="They are parts of 1, such as {dev: 0.8, held-out: 0.2}.",
        )
    return card


def parse_shares(texts: Iterable[str]) -> dict[str, float]:
    """`dev=0.8`, `held-out=20%` as shares of 1. Raises `DatasetError`."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, share = text.partition("=")
        try:
            found[name] = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except ValueError:
            found[name] = 0.0
        if not _NAME.fullmatch(name) or not 0 < found[name] <= 1:
            remedy = "Write NAME=SHARE, such as dev=0.8 held-out=0.2."
            raise DatasetError(f"{text!r} is no share of a split", remedy=remedy)
    if abs(sum(found.values()) - 1) > 1e-9:
        raise DatasetError(f"the shares sum up to {sum(found.values()):.6g}", remedy="They are parts of 1.")
    return found


def with_splits(text: str, shares: Mapping[str, float]) -> str:
    """A card's text with splits; what it says already stays as it is, comments included."""
    listed = ", ".join(f"{name}: {share:.10g}" for name, share in shares.items())
    gap = "\n" if text and not text.endswith("\n") else ""
    return f"{text}{gap}splits: {{{listed}}}\n"
