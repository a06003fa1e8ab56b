"""Which calls a routing rule is for."""

from moat.domain.calls import Caller
from moat.domain.config import Condition


def holds(when: Condition, caller: Caller, tokens: int) -> bool:
    """Do all given conditions hold for this caller and an input of so many tokens?"""
    return (
        (not when.tenant or caller.tenant in when.tenant)
        and (not when.feature or caller.feature in when.feature)
        and (not when.user or caller.user in when.user)
        and (not when.environment or caller.environment in when.environment)
        and (not when.data_class or caller.data_class in when.data_class)
        and (not when.tags or not set(when.tags).isdisjoint(caller.tags))
        and tokens >= when.min_tokens
        and (not when.max_tokens or tokens <= when.max_tokens)
    )
