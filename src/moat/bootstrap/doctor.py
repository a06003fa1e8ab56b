"""One list of checks over the whole installation: what `moat doctor` prints and the console shows.

A check is a function in one of the files beside this one; it looks, changes nothing, and says what it found. What the
server knows of itself comes in as `problems`, the same as in `moat status`.
"""

import time
from collections import Counter
from collections.abc import Iterator

from moat.bootstrap.doctor_project import PROJECT_CHECKS
from moat.bootstrap.doctor_providers import PROVIDER_CHECKS, reachable
from moat.bootstrap.doctor_server import SERVER_CHECKS
from moat.bootstrap.doctor_spending import SPENDING_CHECKS
from moat.bootstrap.doctor_stores import STORE_CHECKS
from moat.bootstrap.examination import Examination, Look
from moat.domain.errors import MoatError
from moat.ports.doctor import Check, CheckArea, Checkup

_CHECKS: dict[CheckArea, tuple[Examination, ...]] = {
    "project": PROJECT_CHECKS,
    "providers": PROVIDER_CHECKS,
    "stores": STORE_CHECKS,
    "server": SERVER_CHECKS,
    "spending": SPENDING_CHECKS,
}


def examined(look: Look, *, providers: bool) -> Checkup:
    """Look at everything. What one check cannot do keeps no other from being made."""
    checks = [check for area, made in _CHECKS.items() for one in made for check in _run(area, one, look)]
    if providers:
        checks += _run("providers", Examination("reaching providers", reachable), look)
    order = tuple(_CHECKS)
    checks.sort(key=lambda check: order.index(check.area))
    counts = Counter(check.standing for check in checks)
    return Checkup(
        checks=tuple(checks),
        errors=counts["error"],
        warnings=counts["warning"],
        made_ns=time.time_ns(),
        url=look.running.url if look.running is not None else "",
        providers=providers,
    )


def _run(area: CheckArea, one: Examination, look: Look) -> Iterator[Check]:
    if one.needs_settings and look.settings is None:
        found = "not known while moat.yaml cannot be read"
        yield Check(area=area, name=one.name, standing="unknown", looked_at="moat.yaml", found=found)
        return
    try:
        for finding in one.look(look):
            yield finding.as_check(area, one.name)
    except MoatError as error:
        at = error.where or one.name
        yield Check(
            area=area, name=one.name, standing="error", looked_at=at, found=error.what, remedy=error.remedy or ""
        )
    except OSError as error:
        found = f"cannot be looked at: {error.strerror or error}"
        yield Check(area=area, name=one.name, standing="error", looked_at=str(error.filename or one.name), found=found)
