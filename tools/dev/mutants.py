"""Mutation testing of the code that handles money: ``python -m tools.dev.mutants`` (see ``[tool.mutmut]``).

mutmut changes one expression at a time and runs the tests that call the changed function. A mutant that fails mypy or a
test is killed, and one that survives reveals behavior that no test asserts. Survivors that do not matter are listed in
``tests/accepted_mutants.toml``, each with a reason. Any other survivor fails the run.
"""

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tools.dev.devdb import PrivateDatabase
from tools.dev.free_ports import free_ports
from tools.dev.memory_folder import memory_folder

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = ROOT / "mutants"
"""mutmut's folder, with the mutated tree and the status of each mutant."""

ACCEPTED = ROOT / "tests" / "accepted_mutants.toml"

_KILLED = {"killed", "timeout", "caught by type check"}
_SEPARATOR = "ǁ"
"""Separates class and method in mutmut's mutant names."""

_DATABASE_BYTES = 2**30
"""The memory that the database needs."""

_NOT_DURABLE = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0")
"""Faster. The database is temporary, so nothing has to survive a power failure."""


@dataclass(frozen=True)
class Survivor:
    """A change that no test detects: its function, and the lines before and after.

    It has no file or line number, so that it stays the same when code moves.
    """

    function: str
    before: str
    after: str

    @classmethod
    def of(cls, mutant: str, diff: Sequence[str]) -> Self:
        """Create it from mutmut's name, such as ``server.domain.money.xǁMoneyǁplus__mutmut_3``, and the diff."""
        mangled = mutant.rpartition(".")[2].rpartition("__mutmut_")[0]
        function = mangled.removeprefix(f"x{_SEPARATOR}").removeprefix("x_").replace(_SEPARATOR, ".")
        return cls(function, _lines(diff, "-"), _lines(diff, "+"))

    def __str__(self) -> str:
        """Return the entry for ``accepted_mutants.toml``, without a reason."""
        before, after = _quote(self.before), _quote(self.after)
        return f'[[accepted]]\nfunction = "{self.function}"\nbefore = {before}\nafter = {after}'


def parse_accepted(text: str) -> set[Survivor]:
    """Parse the text of ``accepted_mutants.toml``.

    Raises:
        ValueError: an entry has no reason.
    """
    entries = tomllib.loads(text)["accepted"]
    for entry in entries:
        if not entry.get("reason"):
            raise ValueError(f"{ACCEPTED.name} has no reason for a mutant of {entry['function']}")
    return {Survivor(entry["function"], entry["before"], entry["after"]) for entry in entries}


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.dev.mutants", description=__doc__)
    parser.add_argument(
        "only",
        nargs="*",
        help="names of mutants to run, with wildcards, such as 'server.domain.money.*' (default: all)",
    )
    only = parser.parse_args().only
    accepted = parse_accepted(ACCEPTED.read_text(encoding="utf-8"))
    _check_paths()
    if not only:
        shutil.rmtree(MUTANTS, ignore_errors=True)
    _run(only)
    survivors = dict(_survivors(only))
    _print_summary(len(survivors))
    if not only:
        for survivor in accepted - set(survivors.values()):
            print(f"\nNo longer survives; remove it from {ACCEPTED.name}:\n{survivor}")
    unexpected = {name: survivor for name, survivor in survivors.items() if survivor not in accepted}
    for name, survivor in unexpected.items():
        print(f"\n# {name}\n{survivor}")
    if unexpected:
        sys.exit(f"{len(unexpected)} mutants survived: add tests, or add the mutants to {ACCEPTED.name} with reasons")


def _check_paths() -> None:
    """Exit if ``[tool.mutmut]`` names a file that does not exist, because mutmut would ignore it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    paths = settings["only_mutate"] + settings["pytest_add_cli_args_test_selection"]
    missing = [path for path in paths if not (ROOT / path).exists()]
    if missing:
        sys.exit(f"[tool.mutmut] in pyproject.toml names files that do not exist: {', '.join(missing)}")


def _run(only: Sequence[str]) -> None:
    """Run mutmut, with one database server for all its test runs. Raise an error if mutmut fails."""
    with tempfile.TemporaryDirectory(dir=memory_folder(_DATABASE_BYTES)) as folder:
        (port,) = free_ports(1)
        with PrivateDatabase(Path(folder), port=port, options=_NOT_DURABLE):
            environment = {**os.environ, "TEST_MYSQL_URL": f"mysql://root@127.0.0.1:{port}"}
            programs = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
            subprocess.run(["mutmut", "run", *only], cwd=ROOT, check=True, env={**environment, "PATH": programs})


def _survivors(only: Sequence[str]) -> Iterator[tuple[str, Survivor]]:
    """Yield the mutants that neither a test nor the type checker killed, with mutmut's names."""
    for line in _output("results").splitlines():
        name, status = line.strip().split(": ", 1)
        if status not in _KILLED and any(fnmatch.fnmatch(name, pattern) for pattern in only or "*"):
            yield name, Survivor.of(name, _output("show", name).splitlines())


def _output(*arguments: str) -> str:
    program = Path(sys.executable).parent / "mutmut"
    return subprocess.run([program, *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def _lines(diff: Sequence[str], sign: str) -> str:
    """Return the lines of a diff that start with ``sign``, except the line with the file name."""
    return "\n".join(line[1:].strip() for line in diff if line.startswith(sign) and not line.startswith(sign * 3))


def _quote(text: str) -> str:
    return f"'''{text}'''" if "\n" in text or "'" in text else f"'{text}'"


def _print_summary(survivors: int) -> None:
    _output("export-cicd-stats")
    counts = json.loads((MUTANTS / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    by_tests = counts["killed"] + counts["timeout"]
    print(f"{counts['total']} mutants: {by_tests} killed by tests, {survivors} survived, the rest killed by mypy")


if __name__ == "__main__":
    main()
