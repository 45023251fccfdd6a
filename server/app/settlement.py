"""Wire the parts that settle pending charges and refunds, and that find out what changes after that."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from server.app.errors import StartupError
from server.application.late_outcomes import LateOutcomes
from server.application.ports import RemoteProcessor
from server.application.reconciler import Reconciler
from server.application.two_phase import TwoPhaseFlow, TwoPhaseLimits
from server.config.processor import ProcessorKind
from server.config.settings import Settings
from server.domain.payment_source import SourceKeys
from server.observability.tracing import traced
from server.processors.circuit_breaker import Breaker
from server.processors.simulated.deferred import PENDING_SECONDS, DeferredProcessor, SimulatedRecords
from server.processors.stripe.http import StripeApi
from server.processors.stripe.processor import StripeProcessor
from server.processors.stripe.records import StripeRecords
from server.processors.stripe.webhooks import StripeWebhooks
from server.storage.database.pool import Database
from server.storage.settlement.late_store import MysqlLateStore
from server.storage.settlement.store import MysqlSettlementStore
from server.transport.rest.webhooks import ReadWebhook

_DISPUTE_INTERVAL_SECONDS = 86_400.0
"""How often a payment with an open dispute is checked without a hint. Banks take weeks to decide."""


@dataclass(frozen=True)
class Settlement:
    """The parts that settle pending charges and refunds, and find out what changes after that.

    ``read_webhook`` is None if the processor sends no webhooks.
    """

    flow: TwoPhaseFlow
    reconciler: Reconciler
    late_outcomes: LateOutcomes
    close_processor: Callable[[], Awaitable[None]]
    read_webhook: ReadWebhook | None = None


def due_seconds(settings: Settings) -> float:
    """Return the age of a pending charge or refund at which the reconciler asks about it."""
    if settings.processor is ProcessorKind.SIMULATED:
        return PENDING_SECONDS
    return settings.processor_janitor_after_seconds


def simulated_settlement(settings: Settings, database: Database, now: Callable[[], datetime]) -> Settlement:
    """Wire the parts for the simulated processor, whose payment sources defer some outcomes."""
    store = MysqlSettlementStore(database, first_pause_seconds=PENDING_SECONDS, longest_pause_seconds=PENDING_SECONDS)
    late_outcomes = LateOutcomes(
        MysqlLateStore(database, first_pause_seconds=PENDING_SECONDS, longest_pause_seconds=PENDING_SECONDS),
        SimulatedRecords(now),
        poll_interval_seconds=settings.processor_events_interval_seconds,
        dispute_interval_seconds=PENDING_SECONDS,
        accepts_requests=lambda: True,
        now=now,
    )
    processor = DeferredProcessor(now, late_outcomes.receive)
    flow = _two_phase(settings, store, processor, now)
    return Settlement(flow, Reconciler(store, processor, flow), late_outcomes, processor.close)


def remote_settlement(settings: Settings, database: Database, now: Callable[[], datetime]) -> Settlement:
    """Wire the parts for a processor with Stripe's API.

    Raises:
        StartupError: the processor does not support a configured currency.
    """
    assert settings.processor_url is not None, "checked by ProcessorSettings"
    assert settings.processor_api_key is not None, "checked by ProcessorSettings"
    if unsupported := settings.currencies - StripeProcessor.currencies:
        names = ", ".join(sorted(unsupported))
        raise StartupError(
            f"ALLOWED_CURRENCIES and DEFAULT_CURRENCY must not name {names}, which PROCESSOR=stripe does not support"
        )
    breaker = Breaker(settings.processor_breaker_failures, settings.processor_breaker_open_seconds)
    api = StripeApi(
        settings.processor_url,
        settings.processor_api_key.get_secret_value(),
        timeout_seconds=settings.processor_timeout_seconds,
        breaker=breaker,
    )
    processor = StripeProcessor(
        api,
        method_tokens=settings.processor_methods,
        approval_seconds=settings.processor_approval_seconds,
        breaker=breaker,
        now=now,
    )
    records = StripeRecords(api, now=now)
    if settings.tracing_endpoint is not None:
        processor, records = traced(processor), traced(records)
    pauses = {
        "first_pause_seconds": settings.processor_janitor_after_seconds,
        "longest_pause_seconds": settings.processor_janitor_max_pause_seconds,
    }
    store = MysqlSettlementStore(database, **pauses)
    late_store = MysqlLateStore(database, **pauses)
    late_outcomes = LateOutcomes(
        late_store,
        records,
        poll_interval_seconds=settings.processor_events_interval_seconds,
        dispute_interval_seconds=_DISPUTE_INTERVAL_SECONDS,
        accepts_requests=lambda: breaker.allows_requests,
        now=now,
    )
    flow = _two_phase(settings, store, processor, now, check_again=late_store.add_check)
    return Settlement(
        flow, Reconciler(store, processor, flow), late_outcomes, api.close, _webhook_reader(settings, now)
    )


def _webhook_reader(settings: Settings, now: Callable[[], datetime]) -> ReadWebhook | None:
    secrets = settings.processor_webhook_secret_values
    if not secrets:
        return None
    return StripeWebhooks(secrets, tolerance_seconds=settings.processor_webhook_tolerance_seconds, now=now).hint


def _two_phase(
    settings: Settings,
    store: MysqlSettlementStore,
    processor: RemoteProcessor,
    now: Callable[[], datetime],
    check_again: Callable[[int], Awaitable[None]] | None = None,
) -> TwoPhaseFlow:
    limits = TwoPhaseLimits(
        margin_seconds=settings.processor_deadline_margin_seconds,
        call_timeout_seconds=settings.call_timeout_seconds,
        max_requests=settings.processor_max_requests,
        slot_timeout_seconds=settings.processor_janitor_after_seconds,
        key_lifetime_seconds=settings.processor_key_lifetime_seconds,
    )
    return TwoPhaseFlow(
        store,
        processor,
        limits,
        default_method=settings.processor_default_method,
        source_keys=SourceKeys(settings.payment_source_key_values),
        now=now,
        check_again=check_again,
    )
