"""An in-memory fake of the payment service, for the unit tests of your own program.

:class:`FakePayments` gives you the ordinary clients, with their real types, errors and argument checks, but without a
network, a port or another process::

    fake = FakePayments(default_source="sim_insufficient_funds")
    with fake.client() as client:
        assert client.charge(order_id=342, amount=Decimal("561.00")).status == "FAILED"
"""

from payments_client.testing._fake_payments import FakePayments

__all__ = ["FakePayments"]
