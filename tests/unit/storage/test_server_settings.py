"""The settings of the database server that are reported as risky."""

import pytest

from server.storage.database.server_settings import risky_settings

GOOD = {
    "innodb_autoinc_lock_mode": "2",
    "innodb_deadlock_detect": "ON",
    "log_bin": "ON",
    "binlog_format": "ROW",
}


@pytest.mark.parametrize(
    ("changed", "risky"),
    [
        ({}, []),
        ({"innodb_autoinc_lock_mode": "1"}, ["innodb_autoinc_lock_mode"]),
        ({"innodb_autoinc_lock_mode": "0"}, ["innodb_autoinc_lock_mode"]),
        ({"innodb_deadlock_detect": "OFF"}, ["innodb_deadlock_detect"]),
        ({"binlog_format": "STATEMENT"}, ["binlog_format"]),
        ({"binlog_format": "STATEMENT", "log_bin": "OFF"}, []),
        ({"binlog_format": "MIXED"}, []),
    ],
)
def test_only_settings_that_delay_or_fail_other_calls_are_risky(changed: dict[str, str], risky: list[str]) -> None:
    assert [setting.name for setting in risky_settings((GOOD | changed).items())] == risky


def test_a_server_without_these_settings_has_no_risky_settings() -> None:
    assert list(risky_settings([])) == []
