"""THE ordered list of what happens to a call. The gateway and the eval runner both build from `CORE`.

To add a step: one file in `stages/`, one line here.
"""

from collections.abc import Sequence

from moat.pipeline.compose import Next, compose
from moat.pipeline.ports import Ports, StageFactory
from moat.pipeline.stages.attempt import Attempts
from moat.pipeline.stages.cache import Cache
from moat.pipeline.stages.guard import Guard
from moat.pipeline.stages.handle import Classify, Handle
from moat.pipeline.stages.limit import Limit
from moat.pipeline.stages.meter import Meter
from moat.pipeline.stages.record import Record
from moat.pipeline.stages.render import Render
from moat.pipeline.stages.resolve import Resolve
from moat.pipeline.stages.route import Route
from moat.pipeline.stages.shadow import Shadow
from moat.pipeline.stages.upstream import ask

CORE: tuple[StageFactory, ...] = (
    Shadow,  # a copy for a release on trial, beside the call
    Record,  # one durable record of everything below, however it ends
    Resolve,  # prompt@environment -> release -> exact version
    Render,  # version + variables -> messages
    Guard,  # policies: what may be asked, what may be answered
    Limit,  # rates and budgets of the caller; may exchange the model for a cheaper one
    Route,  # model alias -> deployments to try, in order
    Classify,  # which data it holds
    Cache,  # an answer that was given before
    Attempts,  # try them: retries and fallbacks, before the first byte only
    Handle,  # what its data may not go with to this deployment is left out
    Meter,  # tokens, time and money of each try: held before, settled after
)


def build(ports: Ports, core: Sequence[StageFactory] = CORE) -> Next:
    """The pipeline on these ports, from the outermost stage to the model."""
    return compose([stage(ports) for stage in core], ask(ports))
