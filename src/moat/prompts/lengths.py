"""How long a template is before any variable has a value."""

from collections.abc import Mapping

from moat.prompts.files import INCLUDE
from moat.prompts.syntax import MARKUP


def fixed_size(template: str, partials: Mapping[str, str], sizes: dict[str, int]) -> int:
    """Characters outside markup, partials included; both branches of an `if` count, and a loop's body once.

    `sizes` remembers partials; one that is open counts 0, so that a circle ends.
    """
    size = len(MARKUP.sub("", template))
    for name in INCLUDE.findall(template):
        if name not in sizes:
            sizes[name] = 0
            sizes[name] = fixed_size(partials.get(name, ""), partials, sizes)
        size += sizes[name]
    return min(size, 2**30)
