"""Rows that the replaced service's table could hold and that this service would not write: how each kind is served.

One list, from which ``payments doctor`` counts them, and which ``docs/operations/adoption.md`` repeats for people.
"""

from dataclasses import dataclass

from tools.database.connection import DatabaseConnection, execute

CLOCK_TOLERANCE_MINUTES = 5
"""A time further ahead than this was written by a wrong clock, or by one in another zone: none is that near to UTC."""


@dataclass(frozen=True, slots=True)
class AdoptionRule:
    """A kind of odd row. ``condition`` is SQL over ``payments``; ``served`` and ``advice`` are sentences."""

    name: str
    condition: str
    served: str
    advice: str


ADOPTION_RULES = (
    AdoptionRule(
        "no status",
        "status IS NULL",
        "As PENDING; `status` is false in /v1. It cannot be refunded.",
        "Set status to 1 or 0 once it is known what became of it.",
    ),
    AdoptionRule(
        "no time",
        "created_at IS NULL",
        "Without create_time, null in /v1; listed as older than all others; no time bound matches it.",
        "Set created_at (UTC) if it is known.",
    ),
    AdoptionRule(
        "a time to come",
        f"created_at > UTC_TIMESTAMP() + INTERVAL {CLOCK_TOLERANCE_MINUTES} MINUTE",
        "As it is: before all others in a list of the newest.",
        "Find out the zone of the clock that wrote it (docs/operations/cutover.md).",
    ),
    AdoptionRule(
        "another method",
        "method NOT IN ('UPI', 'CARD', 'COD')",
        "As method OTHER, with its text in other_method; /v1 shows the text, and filters by it in any letter case.",
        "Nothing, unless the text is a misspelt UPI, CARD or COD.",
    ),
    AdoptionRule(
        "no reference",
        "reference IS NULL",
        "With an empty reference, null in /v1; it is found by its id alone.",
        "Nothing.",
    ),
    AdoptionRule(
        "no amount",
        "amount IS NULL",
        "Without an amount, null in /v1; no amount bound matches it. It cannot be refunded.",
        "Set amount if it is known.",
    ),
    AdoptionRule(
        "an amount of zero or less",
        "amount <= 0",
        "As it is. It cannot be refunded.",
        "Correct it if it is a mistake.",
    ),
    AdoptionRule(
        "a payment_id below 1",
        "payment_id < 1",
        "In lists and by its reference; no call can name it by its id, nor refund it.",
        "Give it an id above all others.",
    ),
    AdoptionRule(
        "an order_id below 1",
        "order_id < 1",
        "As it is; a filter by that order_id finds it.",
        "Correct it if it is a mistake.",
    ),
    AdoptionRule(
        "refunded by the replaced service",
        "refunded <> 0 AND refunded_amount = 0",
        "As wholly refunded (FULL), without Refund records; refunding it again changes nothing.",
        "Nothing.",
    ),
    AdoptionRule(
        "refunded in part here, then by the replaced service",
        "refunded <> 0 AND refunded_amount > 0 AND refunded_amount < amount",
        "As wholly refunded (FULL); the Refund records add up to the part.",
        "Compare with the processor: the part may have been given back twice.",
    ),
    AdoptionRule(
        "refunded without having succeeded",
        "refunded <> 0 AND (status IS NULL OR status = 0)",
        "With its status, and as wholly refunded (FULL).",
        "Correct the flag, or the status, whichever is wrong.",
    ),
)


def count_adopted(connection: DatabaseConnection) -> list[tuple[AdoptionRule, int]]:
    """Count the rows of each kind, in one pass over a migrated table."""
    sums = ", ".join(f"COALESCE(SUM({rule.condition}), 0)" for rule in ADOPTION_RULES)
    (row,) = execute(connection, f"SELECT {sums} FROM payments")  # noqa: S608 - conditions of ours
    return [(rule, int(count)) for rule, count in zip(ADOPTION_RULES, row, strict=True)]
