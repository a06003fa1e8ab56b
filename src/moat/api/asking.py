"""Query parameters as a struct: decoded, bounded, and refused by name."""

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

from moat.domain.errors import RequestError

Wanted = TypeVar("Wanted", bound=msgspec.Struct)

_PLACE = re.compile(r" - at `\$\.(\w+)`$")
_MISSING = re.compile(r"required field `(\w+)`")


def asked(request: Request, kind: type[Wanted]) -> Wanted:
    """The parameters that the struct has. Raises `RequestError` with the parameter that does not fit."""
    given = {name: value for name, value in request.query_params.items() if name in kind.__struct_fields__}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        place = _PLACE.search(text) or _MISSING.search(text)
        raise RequestError(_PLACE.sub("", text), where=place[1] if place else "query") from None
