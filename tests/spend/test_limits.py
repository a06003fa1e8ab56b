"""What moat.yaml may say of limits."""

import pytest

from moat.domain.config import LimitConfig
from moat.domain.errors import ConfigError
from moat.spend.limits import compiled


def limit(**fields: object) -> LimitConfig:
    return LimitConfig(**{"name": "cap", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "states nothing"),
        ({"tokens": 1, "money": "1"}, "states tokens and money"),
        ({"requests": 1, "window": "request"}, "one request is always one request"),
        ({"requests": 1, "action": "cap"}, "cannot be shortened to fit requests"),
        ({"concurrent": 1, "action": "cap"}, "cannot be shortened to fit concurrent"),
        ({"money": "1", "window": "request", "action": "downgrade"}, "known only when its model is chosen"),
        ({"tokens": 1, "match": {"tenant": []}}, "`match.tenant` lists no value"),
        ({"money": "a lot"}, "not an amount"),
        ({"money": "NaN"}, "not an amount"),
        ({"money": "-1"}, "no budget"),
        ({"money": "1000001"}, "no budget"),
        ({"tokens": 1, "timezone": "Nowhere"}, "no time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        compiled([limit(**fields)])


def test_names_are_unique_and_the_place_is_told() -> None:
    with pytest.raises(ConfigError, match=r"two limits are called 'cap'") as error:
        compiled([limit(tokens=1), limit(requests=1)])
    assert error.value.where == "moat.yaml: $.limits[1]"


def test_money_is_exact() -> None:
    (found,) = compiled([limit(money="0.000001")])
    assert found.amount == 1_000_000
    assert found.shown(25 * 10**12) == "$25.00"


def test_a_limit_applies_to_what_it_matches_and_counts_by_what_it_says() -> None:
    (found,) = compiled([limit(tokens=1, per=["user", "tenant"], match={"tenant": ["acme"]})])
    scopes = {"key": "k", "tenant": "acme", "feature": "", "user": "u", "model": "m", "environment": "production"}
    assert found.values(scopes) == ("acme", "u")
    assert found.values({**scopes, "tenant": "other"}) is None
    assert found.whose(("acme", "")) == "tenant acme, user (none)"


def test_counters_outlive_a_new_amount_but_not_another_meaning() -> None:
    def identity(**fields: object) -> str:
        return compiled([limit(**fields)])[0].identity

    same = identity(tokens=1, per=["tenant"])
    assert identity(tokens=2, per=["tenant"], action="warn", warn_at=[0.5]) == same
    assert len({same, identity(tokens=1), identity(requests=1, per=["tenant"]), identity(tokens=1, name="other")}) == 4
