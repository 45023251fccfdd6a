"""Coverage is also measured in the servers that tests start."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

from coverage import CoverageData
from coverage.exceptions import DataError

from tests.conftest import PROBABILITIES
from tests.support.databases import Accounts
from tests.support.programs import ROOT
from tests.support.waiting import wait_until

SCRIPT = """
import json, sys
from tests.support.running_service import RunningService
if __name__ == "__main__":
    RunningService(json.loads(sys.argv[1])).start().stop()
"""
SETTINGS = """
[run]
source = server
branch = true
parallel = true
patch = subprocess, fork, _exit
data_file = {folder}/data
"""


def test_a_stopped_server_has_written_its_coverage_data(
    migrated_database: dict[str, str], accounts: Accounts, tmp_path: Path
) -> None:
    script, settings = tmp_path / "script.py", tmp_path / "coveragerc"
    script.write_text(SCRIPT, encoding="utf-8")
    settings.write_text(SETTINGS.format(folder=tmp_path), encoding="utf-8")
    environment = json.dumps({**accounts.as_service(migrated_database), **PROBABILITIES})
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={settings}", str(script), environment]
    subprocess.run(command, cwd=ROOT, check=True, env={"PYTHONPATH": str(ROOT)})
    # The process that forked the server may still be writing its own file.
    wait_until(lambda: "__main__.py" in set(chain.from_iterable(map(measured_files, tmp_path.glob("data.*")))))


def measured_files(path: Path) -> set[str]:
    """Return the source files whose branches a data file covers, or none while the data file is being written."""
    data = CoverageData(str(path))
    try:
        data.read()
        return {Path(name).name for name in data.measured_files() if data.arcs(name)}
    except DataError:
        return set()
