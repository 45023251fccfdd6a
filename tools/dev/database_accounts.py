"""Create the database accounts of a deployment from ``deploy/sql``, over an administrator's connection.

This is for the private database and for tests. In a deployment, the administrator runs these files with the database's
own client.
"""

from pathlib import Path

from tools.database.connection import DatabaseConnection

MIGRATOR = "payments_migrator"
SERVICE = "payments_service"
BACKUP = "payments_backup"
ARCHIVER = "payments_archiver"
ACCOUNTS = (MIGRATOR, SERVICE, BACKUP, ARCHIVER)
"""The names in the SQL files."""

_FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "sql"


def create_accounts(connection: DatabaseConnection, passwords: dict[str, str], suffix: str = "") -> None:
    """Run ``accounts.sql`` in the connection's database, and set the ``passwords`` of accounts.

    ``suffix`` is appended to the names of the accounts, for a server that is shared with other deployments.
    """
    _run(connection, _FOLDER / "accounts.sql", suffix)
    with connection.cursor() as cursor:
        for account, password in passwords.items():
            cursor.execute("ALTER USER %s IDENTIFIED BY %s ACCOUNT UNLOCK", [account + suffix, password])


def grant_privileges(connection: DatabaseConnection, suffix: str = "", *, folder: Path = _FOLDER) -> None:
    """Run ``grants.sql`` in the connection's database, which must be migrated.

    ``folder`` is that of the file; another release has its own.
    """
    _run(connection, folder / "grants.sql", suffix)


def _run(connection: DatabaseConnection, path: Path, suffix: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    for account in ACCOUNTS:
        text = text.replace(account, account + suffix)
    with connection.cursor() as cursor:
        for statement in filter(None, (part.strip() for part in text.split(";"))):
            cursor.execute(statement)
