"""`moat eval import`: the tests of other tools as a dataset."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from moat.cli.output import counted, out
from moat.domain.errors import ConflictError, StorageError
from moat.evals.scorers.foreign.promptfoo_config import promptfoo_cases


def import_tests(
    config: Annotated[Path, typer.Argument(metavar="PROMPTFOOCONFIG", help="A promptfooconfig.yaml.")],
    dataset: Annotated[Path, typer.Option("--output", "-o", help="The dataset to write, a .jsonl file.")],
) -> None:
    """Take over the tests of a promptfoo configuration, each with its own assertions."""
    cases = promptfoo_cases(config)
    try:
        with dataset.open("xb") as file:
            file.write(b"".join(msgspec.json.encode(case) + b"\n" for case in cases))
    except FileExistsError:
        raise ConflictError(
            "the file exists", where=str(dataset), remedy="Name another: nothing is overwritten."
        ) from None
    except OSError as error:
        raise StorageError(f"the dataset cannot be written: {error.strerror}", where=str(dataset)) from None
    out.print(f"{counted(len(cases), 'case')} in {dataset}. In a suite: `scorers: [{{kind: promptfoo}}]`")
