"""Options that several commands share, as one parameter."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """The command for Typer: in place of a parameter that is a struct stand options, one for each of its fields."""
    hints = get_type_hints(command, include_extras=True)
    shared = {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Struct)}
    options: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in shared:
            options += _options(shared[name])
        else:
            options.append(_option(name, parameter.default, hints[name]))

    @wraps(command)
    def run(**given: Any) -> None:
        for name, kind in shared.items():
            given[name] = kind(**{field: given.pop(field) for field in kind.__struct_fields__})
        command(**given)

    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _options(kind: type[Struct]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [_option(field.name, field.default, hints[field.name]) for field in fields(kind)]


def _option(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is NODEFAULT else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
