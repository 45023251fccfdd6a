"""A description of the machine that runs a benchmark."""

import os
import platform
from contextlib import closing
from pathlib import Path

from tools.dev.devdb import PrivateDatabase


def description(database_version: str) -> str:
    """Return the processor, its cores, the operating system, Python and the database in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, database {database_version}"
    )


def database_version(database: PrivateDatabase) -> str:
    """Return the version of the database server."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown processor"
