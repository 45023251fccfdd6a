"""Checks of what can still change about payments at the processor: approvals, disputes, and refunds that fail late."""

from collections.abc import Iterator

from tools.database.connection import DatabaseConnection, execute
from tools.operations.doctor.check_result import CheckResult, Level
from tools.operations.doctor.durations import duration

_LONG_WAIT_SECONDS = 900.0
"""A check takes a second or two if the processor answers."""

_DAYS = 30

_AGE = "TIMESTAMPDIFF(MICROSECOND, MIN({}created_at), UTC_TIMESTAMP(6)) / 1000000"

_AWAITED_PAYERS = f"""
    SELECT COUNT(*), {_AGE.format("q.")} FROM processor_requests q JOIN payments p ON p.payment_id = q.payment_id
    WHERE q.refund_id IS NULL AND p.next_action IS NOT NULL
"""  # noqa: S608 - constants
_DISPUTES = f"""
    SELECT COUNT(*), {_AGE.format("")} FROM processor_checks WHERE is_disputed
"""  # noqa: S608 - constants
_CHECKS = """
    SELECT COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(waits_since), UTC_TIMESTAMP(6)) / 1000000, MAX(attempts)
    FROM processor_checks WHERE waits_since IS NOT NULL
"""
_LATE_OUTCOMES = f"""
    SELECT kind, COUNT(*) FROM late_outcomes WHERE found_at >= UTC_TIMESTAMP(6) - INTERVAL {_DAYS} DAY
    GROUP BY kind ORDER BY kind
"""  # noqa: S608 - constants


def approvals(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count the pending payments that their payers must approve."""
    ((count, age_seconds),) = execute(connection, _AWAITED_PAYERS)
    values = {"payments": int(count), "oldest_seconds": float(age_seconds or 0)}
    text = "no payment waits for its payer's approval"
    if count:
        text = f"{count:,} payments wait for their payers' approval, the oldest for {duration(age_seconds)}"
    yield CheckResult(Level.OK, "approvals", text, values=values)


def disputes(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count the payments with an open dispute."""
    ((count, age_seconds),) = execute(connection, _DISPUTES)
    values = {"open": int(count), "oldest_seconds": float(age_seconds or 0)}
    if not count:
        yield CheckResult(Level.OK, "disputes", "no open disputes", values=values)
        return
    text = f"{count:,} payments with an open dispute, the oldest for {duration(age_seconds)}"
    advice = "Answer them in the processor's dashboard before their deadlines."
    yield CheckResult(Level.NOTE, "disputes", text, advice, values)


def checks(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count the payments that wait to be read again at the processor."""
    ((count, age_seconds, attempts),) = execute(connection, _CHECKS)
    values = {"waiting": int(count), "oldest_seconds": float(age_seconds or 0), "attempts": int(attempts or 0)}
    if not count:
        yield CheckResult(Level.OK, "checks", "no payments to read again at the processor", values=values)
        return
    text = f"{count:,} payments to read again at the processor, the oldest for {duration(age_seconds)}"
    if age_seconds > _LONG_WAIT_SECONDS:
        advice = "Services retry: look for still_unchecked, checking_failed and processor_refuses in their logs."
        yield CheckResult(Level.WARNING, "checks", f"{text}, up to {attempts} attempts", advice, values)
    else:
        yield CheckResult(Level.OK, "checks", text, values=values)


def late_outcomes(connection: DatabaseConnection) -> Iterator[CheckResult]:
    """Count what has changed about settled payments lately."""
    counts = {str(kind): int(count) for kind, count in execute(connection, _LATE_OUTCOMES)}
    text = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) or "none"
    text = f"{text} in the last {_DAYS} days"
    if counts.get("REFUND_FAILED"):
        advice = "Those payers have not got their money back: see docs/operations/runbook.md#paymentsrefundsfailedlate."
        yield CheckResult(Level.NOTE, "late outcomes", text, advice, counts)
    else:
        yield CheckResult(Level.OK, "late outcomes", text, values=counts)
