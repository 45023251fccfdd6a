"""Unusual rows: the legacy service's table can contain them, but this service would not write them.

``payments doctor`` counts the rows of each kind, and ``docs/operations/adoption.md`` repeats the list.
"""

from dataclasses import dataclass

from tools.database.connection import DatabaseConnection, execute

CLOCK_TOLERANCE_MINUTES = 5
"""A time further in the future comes from a wrong clock or time zone; the offsets of all zones are larger than this."""


@dataclass(frozen=True, slots=True)
class AdoptionRule:
    """A kind of unusual row.

    ``condition`` is an SQL condition on ``payments``, ``served`` says how the service presents such a row, and
    ``advice`` says what to do about it.
    """

    name: str
    condition: str
    served: str
    advice: str


ADOPTION_RULES = (
    AdoptionRule(
        "no status",
        "status IS NULL",
        "As PENDING; `status` is false in /v1. It cannot be refunded.",
        "Set status to 1 or 0 once the outcome is known.",
    ),
    AdoptionRule(
        "no time",
        "created_at IS NULL",
        "Without create_time (null in /v1). It is listed as older than all others, and no time filter matches it.",
        "Set created_at (UTC) if it is known.",
    ),
    AdoptionRule(
        "a time in the future",
        f"created_at > UTC_TIMESTAMP() + INTERVAL {CLOCK_TOLERANCE_MINUTES} MINUTE",
        "Unchanged. It is listed as newer than all others.",
        "Find the time zone of the clock that wrote it (docs/operations/cutover.md).",
    ),
    AdoptionRule(
        "another method",
        "method NOT IN ('UPI', 'CARD', 'COD')",
        "As method OTHER, with the text in other_method. /v1 shows the text, and filters by it in any letter case.",
        "Nothing, unless the text is a misspelled UPI, CARD or COD.",
    ),
    AdoptionRule(
        "no reference",
        "reference IS NULL",
        "With an empty reference (null in /v1). It can be found only by its ID.",
        "Nothing.",
    ),
    AdoptionRule(
        "no amount",
        "amount IS NULL",
        "Without an amount (null in /v1). No amount filter matches it, and it cannot be refunded.",
        "Set amount if it is known.",
    ),
    AdoptionRule(
        "an amount with too many decimals",
        "amount <> ROUND(amount, 2) AND caller IS NULL",
        "Rounded half up to the minor unit of its currency. It may be impossible to refund in part.",
        "Round it in the table, which the legacy service no longer does.",
    ),
    AdoptionRule(
        "an amount of zero or less",
        "amount <= 0",
        "Unchanged. It cannot be refunded.",
        "Correct it if it is a mistake.",
    ),
    AdoptionRule(
        "a payment_id below 1",
        "payment_id < 1",
        "In lists and by its reference. It cannot be found by its ID, or refunded.",
        "Give it an ID above all others.",
    ),
    AdoptionRule(
        "an order_id below 1",
        "order_id < 1 AND caller IS NULL",
        "Unchanged. A filter by that order_id finds it.",
        "Correct it if it is a mistake.",
    ),
    AdoptionRule(
        "refunded by the legacy service",
        "refunded <> 0 AND refunded_amount = 0",
        "As fully refunded (FULL), without Refund records. Refunding it again changes nothing.",
        "Nothing.",
    ),
    AdoptionRule(
        "refunded in part here, then by the legacy service",
        "refunded <> 0 AND refunded_amount > 0 AND refunded_amount < amount",
        "As fully refunded (FULL); the Refund records add up to the part refunded here.",
        "Compare it with the processor: that part may have been refunded twice.",
    ),
    AdoptionRule(
        "refunded without having succeeded",
        "refunded <> 0 AND (status IS NULL OR status = 0)",
        "With its status, and as fully refunded (FULL).",
        "Correct `refunded` or `status`, whichever is wrong.",
    ),
)


def count_adopted(connection: DatabaseConnection) -> list[tuple[AdoptionRule, int]]:
    """Count the rows of each kind in one scan of a migrated table."""
    sums = ", ".join(f"COALESCE(SUM({rule.condition}), 0)" for rule in ADOPTION_RULES)
    (row,) = execute(connection, f"SELECT {sums} FROM payments")  # noqa: S608 - constant conditions
    return [(rule, int(count)) for rule, count in zip(ADOPTION_RULES, row, strict=True)]
