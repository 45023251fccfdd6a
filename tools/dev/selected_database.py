"""The database server that ``DATABASE`` selects in place of the installed one: ``make test DATABASE=mysql``."""

from pathlib import Path

from tools.database.private_database import SELECTED_DATABASE
from tools.dev import tidb
from tools.dev.system_package import ProgramFailed
from tools.dev.unpacked_database import RELEASES, unpacked_programs


def selected_programs() -> Path | None:
    """Return the folder of the programs that ``DATABASE`` selects, or None if it is not set.

    They are unpacked or built first if necessary.

    Raises:
        ProgramFailed: there is no database of this name, or it cannot be unpacked or built; the message says what to
            do.
    """
    if not SELECTED_DATABASE:
        return None
    if SELECTED_DATABASE == tidb.NAME:
        return tidb.built_programs()
    if SELECTED_DATABASE in RELEASES:
        return unpacked_programs(SELECTED_DATABASE)
    names = ", ".join((*RELEASES, tidb.NAME))
    msg = f"DATABASE={SELECTED_DATABASE} is none of {names}; without DATABASE, the installed server is used"
    raise ProgramFailed(msg)
