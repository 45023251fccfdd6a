"""The workers' shares of a limit add up to it, and each worker has some of it."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers
from pydantic import ValidationError

from server.config.settings import DIVIDED_AMONG_WORKERS, Settings
from server.config.shares import settings_of_worker, share


@given(total=integers(0, 1_000_000), workers=integers(1, 64))
def test_the_shares_add_up_to_the_total_and_differ_by_at_most_one(total: int, workers: int) -> None:
    shares = [share(total, workers, number) for number in range(1, workers + 1)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@given(low=integers(0, 1000), extra=integers(0, 1000), workers=integers(1, 64))
def test_a_minimum_and_a_maximum_stay_in_order(low: int, extra: int, workers: int) -> None:
    for number in range(1, workers + 1):
        assert share(low, workers, number) <= share(low + extra, workers, number)


def test_a_worker_has_its_share_of_the_limits_and_all_other_settings_unchanged() -> None:
    whole = Settings(mysql_host="db", workers=3, mysql_pool_min=1, mysql_pool_max=16, max_concurrent_calls=100)
    second = settings_of_worker(whole, 2)
    assert (second.mysql_pool_min, second.mysql_pool_max, second.max_concurrent_calls) == (0, 5, 33)
    assert {name for name, value in second if value != getattr(whole, name)} <= set(DIVIDED_AMONG_WORKERS)


@pytest.mark.parametrize("name", sorted(set(DIVIDED_AMONG_WORKERS) - {"mysql_pool_min"}))
def test_a_limit_below_the_number_of_workers_is_rejected(name: str) -> None:
    smallest = {"mysql_host": "db", "mysql_pool_min": 0, "workers": 4}
    assert Settings(**{**smallest, name: 4})  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=f"{name.upper()}=3 must be at least WORKERS=4"):
        Settings(**{**smallest, name: 3})  # type: ignore[arg-type]
