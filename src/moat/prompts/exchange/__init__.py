"""Prompts of other tools: import and export. A format is one file and one line in `FORMS`."""

from pathlib import Path

import msgspec

from moat.documents import parse_yaml
from moat.domain.errors import DocumentError, NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.prompts.exchange.form import Exported, Form, Imported, Source
from moat.prompts.exchange.langfuse import LANGFUSE
from moat.prompts.exchange.mlflow import MLFLOW
from moat.prompts.exchange.openai import OPENAI
from moat.prompts.exchange.promptfoo import PROMPTFOO
from moat.prompts.exchange.text import TEXT
from moat.prompts.files import read_text

__all__ = ["AUTO", "FORMS", "Exported", "Form", "Imported", "Source", "export_prompt", "read_foreign"]

FORMS = {form.name: form for form in (LANGFUSE, MLFLOW, PROMPTFOO, OPENAI, TEXT)}
"""By name; a file whose format is not said is the first's that recognises it."""
AUTO = "auto"


def read_foreign(path: Path, form: str = AUTO) -> tuple[Form, list[Imported]]:
    """The prompts in another tool's file.

    Raises `DocumentError` for a file that cannot be read, `PromptError` for a prompt that cannot be expressed here,
    `NotFound` for an unknown format or a file that no format recognises.
    """
    text = read_text(path, path.name)
    wanted = None if form == AUTO else _form(form)
    source = Source(
        path, text, None if wanted is TEXT or TEXT.recognises(Source(path, text, None)) else _data(path, text)
    )
    if wanted is None:
        wanted = next((known for known in FORMS.values() if known.recognises(source)), None)
        if wanted is None:
            raise NotFound("its format is not recognised", where=path.name, remedy=f"Say --format: {', '.join(FORMS)}.")
    elif wanted is not TEXT and not wanted.recognises(source):
        raise PromptError(
            f"does not look like {wanted.summary}", where=path.name, remedy="Leave --format out to guess."
        )
    return wanted, wanted.read(source)


def export_prompt(prompt: PromptVersion, form: str) -> Exported:
    """A version as another tool's file. Raises `PromptError` for what that cannot hold, `NotFound` for a format."""
    return _form(form).write(prompt)


def _form(name: str) -> Form:
    if name not in FORMS:
        raise NotFound(f"there is no format {name!r}", where="--format", remedy=f"Formats: {', '.join(FORMS)}.")
    return FORMS[name]


def _data(path: Path, text: str) -> object:
    """JSON, or YAML for what is called so."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return parse_yaml(text, name=path.name).data
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DocumentError(f"not valid JSON: {error}", where=path.name) from None
