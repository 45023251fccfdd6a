"""The SQL that reads archived payments and refunds, and the index that each statement uses.

These statements run only if the live tables do not have the payment: if both have it, the live row takes precedence.
"""

from server.storage.payments.queries import (
    PAYMENT,
    REFUND,
    by_reference,
    by_request,
    charges_by_request,
    details,
    details_of_many,
)

SELECT_CHARGES_BY_REQUEST = charges_by_request("payments_archive")
"""Uses payments_archive_by_request."""

SELECT_PAYMENT = f"SELECT {PAYMENT} FROM payments_archive p WHERE p.payment_id = %s"
"""Uses the primary key."""

SELECT_LAST_REFUND = f"""
    SELECT {REFUND} FROM refunds_archive r JOIN payments_archive p ON p.payment_id = r.payment_id
    WHERE r.payment_id = %s AND r.status <> 0 ORDER BY r.refund_id DESC LIMIT 1
"""
"""Reads refunds_archive_by_payment backwards, and skips failed refunds."""

SELECT_DETAILS_OF_MANY = details_of_many("payments_archive", "refunds_archive")
"""Uses the primary key, then refunds_archive_by_payment."""

SELECT_DETAILS_BY_ID = details("payments_archive", "refunds_archive")
"""Uses the primary key, then refunds_archive_by_payment."""

SELECT_DETAILS_BY_REFERENCE = details("payments_archive", "refunds_archive", by_reference("payments_archive"))
"""Uses payments_archive_by_reference, then refunds_archive_by_payment."""

SELECT_DETAILS_BY_REQUEST = details("payments_archive", "refunds_archive", by_request("payments_archive"))
"""Uses payments_archive_by_request, then refunds_archive_by_payment."""

STATEMENTS = (
    SELECT_CHARGES_BY_REQUEST,
    SELECT_PAYMENT,
    SELECT_LAST_REFUND,
    SELECT_DETAILS_OF_MANY,
    SELECT_DETAILS_BY_ID,
    SELECT_DETAILS_BY_REFERENCE,
    SELECT_DETAILS_BY_REQUEST,
)
"""All statements of this module: see ``storage.statements``."""
