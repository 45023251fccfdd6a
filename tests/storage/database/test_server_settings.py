"""``serve`` and ``doctor`` warn about risky settings of the database server."""

from pathlib import Path

from server.storage.database.server_settings import risky_settings
from tests.support.databases import settings_of
from tests.support.running_service import RunningService
from tests.support.tidb import except_on_tidb
from tools.database.migrations import migrate
from tools.dev.devdb import PrivateDatabase
from tools.operations.doctor.check_result import Level
from tools.operations.doctor.checks import run_checks


@except_on_tidb("it has no such setting")
def test_serve_and_doctor_name_the_risky_setting_and_what_to_do(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "database", options=("--innodb-autoinc-lock-mode=1",)) as private:
        settings = settings_of(private.environment())
        migrate(settings, report=lambda _: None)
        (expected,) = risky_settings([("innodb_autoinc_lock_mode", "1")])

        (finding,) = [one for one in run_checks(settings) if one.subject == "locks"]
        assert finding.level is Level.WARNING
        assert finding.text == f"innodb_autoinc_lock_mode is 1: {expected.effect}"
        assert finding.advice == expected.advice

        service = RunningService(private.service_environment()).start()
        event = service.wait_for("database_setting", setting="innodb_autoinc_lock_mode")
        assert (event["level"], event["value"]) == ("warning", "1")
        assert (event["effect"], event["advice"]) == (expected.effect, expected.advice)
        assert service.stop() == 0


def test_the_private_database_has_no_risky_settings(tmp_path: Path) -> None:
    with PrivateDatabase(tmp_path / "database") as private:
        settings = settings_of(private.environment())
        migrate(settings, report=lambda _: None)
        (finding,) = [one for one in run_checks(settings) if one.subject == "locks"]
        assert finding.level is Level.OK

        service = RunningService(private.service_environment()).start()
        assert not [event for event in service.events if event["event"] == "database_setting"]
        assert service.stop() == 0
