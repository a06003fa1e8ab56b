"""Microsoft Presidio, where it is installed: names and places, which no pattern finds."""

import asyncio
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from moat.domain.guards import DataClass
from moat.guards.detector import Context, Hit
from moat.guards.remote import Bench, RemoteDetector
from moat.guards.text import Text


class Presidio(RemoteDetector, frozen=True):
    """Kinds are Presidio's entities in lower case: `person`, `location`, ... Needs `moat[pii]` and a model of spaCy.

    https://microsoft.github.io/presidio/
    """

    joined: ClassVar[bool] = False
    holds: ClassVar[DataClass | None] = "personal"
    language: str = "en"
    model: str = "en_core_web_sm"
    """Of spaCy: an installed package, or a folder. Nothing is downloaded."""
    entities: tuple[str, ...] = ("PERSON", "LOCATION")
    """What to look for, as Presidio calls it; numbers and addresses are found better by `pii`."""

    def __post_init__(self) -> None:
        """Refuse what is not installed: Presidio would go to the network for a model."""
        if find_spec("presidio_analyzer") is None:
            raise ValueError("needs presidio-analyzer: install `moat[pii]`")
        if not self.entities:
            raise ValueError("`entities` is empty")
        if not Path(self.model).is_dir() and (not self.model.isidentifier() or find_spec(self.model) is None):
            raise ValueError(
                f"needs spaCy's model {self.model!r}: install its package, or give the folder it is in; nothing is "
                "downloaded"
            )

    @cached_property
    def _engine(self) -> Any:
        from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found,unused-ignore]
        from presidio_analyzer.nlp_engine import NlpEngineProvider  # type: ignore[import-not-found,unused-ignore]

        models = [{"lang_code": self.language, "model_name": self.model}]
        engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
        return AnalyzerEngine(nlp_engine=engine, supported_languages=[self.language])

    async def look(self, text: Text, context: Context, bench: Bench) -> list[Hit]:
        """In a thread: it takes tens of milliseconds."""
        found = await asyncio.to_thread(self._analyze, text.original)
        return [Hit(each.entity_type.lower(), each.start, each.end, float(each.score)) for each in found]

    def _analyze(self, text: str) -> Any:
        return self._engine.analyze(text=text, language=self.language, entities=list(self.entities))
