"""`python -m moat.evaluate --dataset test_cases.json --target bot.py:answer --scorer equals`.

The module can be called too: `import moat.evaluate` takes the place of the function `moat.evaluate` in the package.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that does what the function of its name does."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """`moat.evaluation.evaluate`."""
        from moat.evaluation import evaluate

        return evaluate(*args, **options)


if __name__ == "__main__":
    from moat.evaluation.command import main

    sys.exit(main())

sys.modules[__name__].__class__ = _Callable
