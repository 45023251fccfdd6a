"""The triggers on the original table, which repeat each change in the new one.

On Galera, a trigger writes each changed row to the new table even if the row is not copied yet. Otherwise the
certification would not notice that a chunk on one node and a change on another have the same row.
"""

from collections.abc import Sequence

from server.storage.database.server_version import ServerVersion
from tools.database.connection import quote_identifier
from tools.database.lock_waits import DdlExecutor
from tools.database.online_copy.columns import CopiedColumn
from tools.database.online_copy.tables import Table, trigger_name


def create_triggers(
    original: Table, new: Table, columns: Sequence[CopiedColumn], ddl: DdlExecutor, version: ServerVersion
) -> None:
    """Create a trigger for each kind of change. None of them ignores an error."""
    names, values = [column.quoted_name for column in columns], [column.value("NEW") for column in columns]
    key = original.key
    insert = f"INSERT INTO {new.quoted} ({', '.join(names)}) VALUES ({', '.join(values)})"  # noqa: S608
    delete = f"DELETE FROM {new.quoted} WHERE {key} = OLD.{key}"  # noqa: S608
    assignments = ", ".join(map("{} = {}".format, names, values))
    update = f"UPDATE {new.quoted} SET {assignments} WHERE {key} = OLD.{key}"  # noqa: S608
    is_replaced = "TRUE" if version.is_cluster else f"OLD.{key} <> NEW.{key}"
    replace = f"BEGIN IF {is_replaced} THEN {delete}; {insert}; ELSE {update}; END IF; END"
    for event, body in {"insert": insert, "update": replace, "delete": delete}.items():
        trigger = quote_identifier(trigger_name(original.name, event))
        ddl.execute(f"CREATE TRIGGER {trigger} AFTER {event.upper()} ON {original.quoted} FOR EACH ROW {body}")


def drop_triggers(original: Table, ddl: DdlExecutor) -> None:
    """Drop the triggers that ``create_triggers`` has created, as far as it came."""
    for trigger in original.copy_triggers():
        ddl.execute(f"DROP TRIGGER IF EXISTS {quote_identifier(trigger)}")
