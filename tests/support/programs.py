"""Run programs of this project in their own processes, like ``python -m``, but without the time that imports take.

A short program spends most of its time on imports. So each program is forked from a process that has already imported
the modules (the standard library's forkserver). ``tests/deploy/test_image.py`` and ``tests/cli/test_cutover.py`` start
the installed service and commands instead.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["server.app.lifecycle", "tools.cli.main"])


def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    output: Connection,
    errors: Connection,
    folder: Path = ROOT,
) -> BaseProcess:
    """Run a module as ``__main__`` in ``folder``, with only this environment, and return its process.

    ``output`` and ``errors`` receive its standard output and standard error; the caller closes them. The standard input
    is empty.
    """
    process = _context.Process(
        target=_run_module, args=(module, arguments, dict(environment), folder, output, errors), daemon=True
    )
    process.start()
    return process


def start_file(
    path: Path,
    *arguments: str,
    environment: Mapping[str, str],
    output: Connection,
    errors: Connection,
) -> BaseProcess:
    """Run an executable file, such as ``payments`` of another release, in its own folder (see ``start``)."""
    process = _context.Process(target=_run_file, args=(path, arguments, dict(environment), output, errors), daemon=True)
    process.start()
    return process


def run(
    module: str, *arguments: str, environment: Mapping[str, str], folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a module until it ends (see ``start``), and return its exit code and output."""
    (output, output_end), (errors, errors_end) = (_context.Pipe(duplex=False) for _ in range(2))
    with output, errors:
        with output_end, errors_end:
            process = start(
                module, *arguments, environment=environment, output=output_end, errors=errors_end, folder=folder
            )
        with ThreadPoolExecutor(2) as threads:
            texts = list(threads.map(_read, (output, errors)))
    process.join()
    exit_code = process.exitcode
    assert exit_code is not None
    return subprocess.CompletedProcess([module, *arguments], exit_code, *texts)


def _read(connection: Connection) -> str:
    with open(connection.fileno(), encoding="utf-8", closefd=False) as text:
        return text.read()


def _run_module(
    module: str,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    folder: Path,
    output: Connection,
    errors: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    # New stream objects, because a stream depends on the kind of file that it was opened on.
    os.dup2(output.fileno(), 1)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    os.dup2(errors.fileno(), 2)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv[1:] = arguments
    for imported in (module, f"{module}.__main__"):
        sys.modules.pop(imported, None)  # otherwise runpy warns that the module was already imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_file(
    path: Path, arguments: tuple[str, ...], environment: dict[str, str], output: Connection, errors: Connection
) -> None:
    os.chdir(path.parent)
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    os.execve(path, [str(path), *arguments], environment)  # noqa: S606 - without a shell
