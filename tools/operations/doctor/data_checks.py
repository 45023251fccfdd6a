"""Checks of the database's contents: migrations, indexes, the event stream, pending payments, and rows."""

from collections.abc import Iterator

from server.storage import schema_check
from tools.database.connection import DatabaseConnection, execute
from tools.database.migration_files import MigrationError, load_migrations
from tools.database.migration_records import applied_version, check_records, read_records
from tools.operations.doctor.adoption_rules import count_adopted
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.durations import duration

_LONG_LAG_SECONDS = 10.0
"""A working relay numbers each change within a second."""

_LONG_PENDING_SECONDS = 1_200.0
"""Five minutes more than a payer has to approve a payment (PROCESSOR_APPROVAL_SECONDS)."""

_INDEXES = """
    SELECT table_name, index_name, MIN(non_unique), GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', ')
    FROM information_schema.statistics WHERE table_schema = DATABASE() GROUP BY table_name, index_name
"""
_NAMED_INDEXES = {
    ("payments", "payments_by_request"): "caller, request_id",
    ("payments", "payments_by_time"): "created_at, payment_id",
    ("payments", "payments_by_order"): "order_id, created_at, payment_id",
    ("payments", "payments_by_method"): "method, created_at, payment_id, status",
    ("payments", "payments_by_status"): "status, created_at, payment_id, method",
    ("refunds", "refunds_by_request"): "caller, request_id",
    ("refunds", "refunds_by_payment"): "payment_id, refund_id",
    ("payments_archive", "payments_archive_by_request"): "caller, request_id",
    ("refunds_archive", "refunds_archive_by_request"): "caller, request_id",
}
"""Queries name these indexes, which may have more columns than listed here."""

_UNIQUE_INDEXES = (
    ("payments", "payment_id"),
    ("payments", "reference"),
    ("payments", "caller, request_id"),
    ("refunds", "caller, request_id"),
    ("payments_archive", "payment_id"),
    ("payments_archive", "caller, request_id"),
    ("refunds_archive", "caller, request_id"),
)
"""These indexes reject duplicates. They may have any name."""

_REFUND_SUMS = """
    (SELECT payment_id, SUM(amount) AS sum FROM refunds WHERE status IS NULL OR status <> 0 GROUP BY payment_id) r
    ON r.payment_id = p.payment_id
"""
_OVER_REFUNDED = f"""
    SELECT COUNT(*), MIN(p.payment_id) FROM payments p JOIN {_REFUND_SUMS}
    WHERE r.sum > IF(p.refunded <> 0, COALESCE(p.amount, 0), p.refunded_amount)
"""  # noqa: S608 - constants
_UNRECORDED_REFUNDS = f"""
    SELECT COUNT(*), MIN(p.payment_id) FROM payments p LEFT JOIN {_REFUND_SUMS}
    WHERE p.refunded_amount > COALESCE(r.sum, 0)
"""  # noqa: S608 - constants
_OLDEST_IN_OUTBOX = """
    SELECT TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1000000 FROM payment_outbox
    ORDER BY outbox_id LIMIT 1
"""
_PENDING_REQUESTS = """
    SELECT kind, COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(6)) / 1000000, MAX(attempts)
    FROM processor_requests GROUP BY kind
"""
_PENDING_PAYMENTS = """
    SELECT COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(p.created_at), UTC_TIMESTAMP(6)) / 1000000 FROM payments p
    WHERE p.status IS NULL AND NOT EXISTS (SELECT 1 FROM processor_requests q WHERE q.payment_id = p.payment_id)
"""
"""Pending payments for which no request to the processor is recorded."""


def migrations(connection: DatabaseConnection) -> CheckResult:
    """Compare the applied migrations with the files."""
    subject = "migrations"
    try:
        files, records = load_migrations(), read_records(connection)
        check_records(files, records)
        schema_check.require_version(applied_version(connection))
    except (MigrationError, schema_check.SchemaOutdated) as error:
        return CheckResult(Level.PROBLEM, subject, str(error))
    unapplied = [(record.version, record.name) for record in records.values() if record.applied_at is None]
    unapplied += [(migration.version, migration.name) for migration in files if migration.version not in records]
    if unapplied:
        names = ", ".join(sorted({f"{version:04d}_{name}" for version, name in unapplied}))
        return CheckResult(Level.WARNING, subject, f"not applied, or interrupted: {names}", "Run `payments migrate`.")
    later = f", and {len(records) - len(files)} of a later release" if len(records) > len(files) else ""
    return CheckResult(Level.OK, subject, f"all {len(files)} are applied{later}")


def stream(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Measure the lag of the event stream: the committed changes that the relay has not numbered."""
    ((backlog,),) = execute(connection, "SELECT COUNT(*) FROM payment_outbox")
    oldest = execute(connection, _OLDEST_IN_OUTBOX)
    lag_seconds = max(0.0, float(oldest[0][0])) if oldest else 0.0
    values = {"outbox_rows": int(backlog), "lag_seconds": round(lag_seconds, 3)}
    if lag_seconds > _LONG_LAG_SECONDS:
        text = f"{backlog:,} changes are waiting in the outbox, the oldest for {lag_seconds:.0f} s"
        advice = "Is a service running? If so, look for relay_failed or database_unavailable in its log."
        yield CheckResult(Level.WARNING, "stream", text, advice, values)
    else:
        yield CheckResult(Level.OK, "stream", f"{backlog:,} changes are waiting in the outbox", values=values)


def pending(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count the pending payments and refunds, and warn if one has been pending for a long time."""
    values: dict[str, float | str]
    ((count, age_seconds),) = execute(connection, _PENDING_PAYMENTS)
    if count:
        text = f"{count:,} pending payments without a request to the processor, the oldest for {duration(age_seconds)}"
        values = {"payments": int(count), "oldest_seconds": float(age_seconds or 0)}
        yield CheckResult(Level.NOTE, "pending", text, "Look up their outcomes at the processor.", values)
    rows = execute(connection, _PENDING_REQUESTS)
    for kind, count, age_seconds, attempts in rows:
        text = (
            f"{count:,} {kind}s pending at the processor, the oldest for {duration(age_seconds)}, "
            f"up to {attempts} attempts"
        )
        values = {"kind": str(kind), "requests": int(count), "oldest_seconds": float(age_seconds)}
        if age_seconds > _LONG_PENDING_SECONDS:
            advice = "Services retry them: look for events about the processor in their logs."
            yield CheckResult(Level.WARNING, "pending", text, advice, values)
        else:
            yield CheckResult(Level.OK, "pending", text, values=values)
    if not rows:
        yield CheckResult(Level.OK, "pending", "no requests to the processor are pending", values={"requests": 0})


def indexes(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Check that the tables have the indexes that queries and uniqueness rules need."""
    rows = execute(connection, _INDEXES)
    named = {(table, name): columns for table, name, _, columns in rows}
    unique = {(table, columns) for table, _, non_unique, columns in rows if not int(non_unique)}  # text on TiDB
    missing = [
        f"{name} ON {table} ({needed})"
        for (table, name), needed in _NAMED_INDEXES.items()
        if not named.get((table, name), "").startswith(needed)
    ]
    missing += [
        f"a unique index ON {table} ({columns})" for table, columns in _UNIQUE_INDEXES if (table, columns) not in unique
    ]
    if missing:
        advice = "Create them as in migrations/. Without them, calls fail, are slow, or store duplicates."
        yield CheckResult(Level.PROBLEM, "indexes", f"missing: {'; '.join(missing)}", advice)
    else:
        yield CheckResult(Level.OK, "indexes", "all indexes exist")


def refunds(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Compare the refunds with the refunded amounts of their payments. Scans both tables."""
    ((over, first_over),) = execute(connection, _OVER_REFUNDED)
    ((unrecorded, first_unrecorded),) = execute(connection, _UNRECORDED_REFUNDS)
    if over:
        text = f"the refunds of {over:,} payments add up to more than the refunded amount; the first is {first_over}"
        advice = "The tables have been changed by hand: compare with the processor."
        yield CheckResult(Level.PROBLEM, "refunds", text, advice)
    if unrecorded:
        text = (
            f"the refunds of {unrecorded:,} payments add up to less than the refunded amount; "
            f"the first is {first_unrecorded}"
        )
        yield CheckResult(Level.WARNING, "refunds", text, "Import the missing refunds (`payments import`).")
    if not over and not unrecorded:
        yield CheckResult(Level.OK, "refunds", "the refunds add up to the refunded amounts")


def payments(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count the adopted payments that this service would not have written. Scans the table."""
    counts = [(rule, count) for rule, count in count_adopted(connection) if count]
    for rule, count in counts:
        yield CheckResult(Level.NOTE, "payments", f"{count:,} with {rule.name}. Served: {rule.served}", rule.advice)
    if not counts:
        yield CheckResult(Level.OK, "payments", "no unusual adopted payments")
