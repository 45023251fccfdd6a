"""Settings of the database server that make one locked row hold up others."""

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
def test_only_what_makes_others_wait_is_risky(changed: dict[str, str], risky: list[str]) -> None:
    assert [setting.name for setting in risky_settings((GOOD | changed).items())] == risky


def test_a_server_without_these_settings_has_none_to_change() -> None:
    assert list(risky_settings([])) == []
