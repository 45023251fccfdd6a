"""The columns of a payment that few payments have: what its payer must do, and its dispute, as JSON."""

from datetime import datetime

import orjson

from server.domain.approval import NextAction, NextActionType
from server.domain.dispute import Dispute, DisputeStatus
from server.domain.money import Money


def next_action_to_json(action: NextAction) -> str:
    """Return the value of the ``next_action`` column."""
    values = {"type": action.type, "url": action.redirect_url, "expire_time": action.expire_time}
    return orjson.dumps(values).decode()


def next_action_from_json(text: str) -> NextAction:
    """Return what the payer must do, from the ``next_action`` column."""
    values = orjson.loads(text)
    expire_time = datetime.fromisoformat(values["expire_time"])
    return NextAction(NextActionType(values["type"]), values["url"], expire_time)


def dispute_to_json(dispute: Dispute) -> str:
    """Return the value of the ``dispute`` column, which has all of a dispute but its status."""
    values = {
        "amount_minor": None if dispute.amount is None else dispute.amount.amount_minor,
        "reason": dispute.reason,
        "open_time": dispute.open_time,
        "close_time": dispute.close_time,
        "reference": dispute.processor_reference,
    }
    return orjson.dumps(values).decode()


def dispute_from_json(status: str, text: str, currency: str) -> Dispute:
    """Return the dispute in the ``dispute_status`` and ``dispute`` columns of a payment in ``currency``."""
    values = orjson.loads(text)
    amount_minor, close_time = values["amount_minor"], values["close_time"]
    return Dispute(
        DisputeStatus(status),
        None if amount_minor is None else Money(currency, amount_minor),
        values["reason"],
        datetime.fromisoformat(values["open_time"]),
        None if close_time is None else datetime.fromisoformat(close_time),
        values["reference"],
    )
