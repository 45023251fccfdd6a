"""The webhooks of the payment processor.

A webhook is answered as soon as its hint is stored, and has no effect of its own: see ``application.late_outcomes``.
Its signature takes the place of credentials.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from server.application.late_outcomes import LateOutcomes
from server.domain.errors import StoreUnavailable
from server.domain.late_outcomes import Hint
from server.observability.logs import RepeatedWarning
from server.observability.metrics import count_webhook
from server.processors.stripe.webhooks import SIGNATURE_HEADER, InvalidWebhook
from server.transport.headers import headers
from server.transport.pipeline.errors import BodyTooLarge, BodyTooSlow, failure_of
from server.transport.rest.body import BodyLimits
from server.transport.rest.callers import peer_of
from server.transport.rest.responses import json_response
from server.transport.rest.router import Endpoint

PATH = "/webhooks/stripe"
_MAX_BODY_BYTES = 262_144
"""Stripe's events have some 10 KiB."""

_SIGNATURE_HEADER = SIGNATURE_HEADER.encode()

ReadWebhook = Callable[[bytes, list[str]], Hint | None]
"""Returns the hint of a webhook with this body and these signature headers: see ``StripeWebhooks.hint``."""


def webhook_endpoints(
    late_outcomes: LateOutcomes, read_webhook: ReadWebhook | None, *, body_timeout_seconds: float
) -> list[Endpoint]:
    """Return the endpoint of webhooks; none if ``read_webhook`` is None."""
    if read_webhook is None:
        return []
    limits = BodyLimits(_MAX_BODY_BYTES, body_timeout_seconds)
    return [Endpoint("POST", PATH, _Webhooks(late_outcomes, read_webhook, limits).answer)]


class _Webhooks:
    def __init__(self, late_outcomes: LateOutcomes, read_webhook: ReadWebhook, limits: BodyLimits) -> None:
        self._late_outcomes = late_outcomes
        self._read_webhook = read_webhook
        self._limits = limits
        self._refused = RepeatedWarning("webhook_refused")

    async def answer(self, request: Request) -> Response:
        """Answer one webhook. The processor sends it again unless the status is 200."""
        try:
            self._limits.check_content_length(request.scope)
            hint = self._read_webhook(await self._limits.read(request), list(headers(request.scope, _SIGNATURE_HEADER)))
            is_ours = hint is not None and await self._late_outcomes.receive(hint)
        except InvalidWebhook as error:
            return self._refuse(request, str(error), 400)
        except (BodyTooLarge, BodyTooSlow) as error:
            return self._refuse(request, str(error), failure_of(error, request.scope["call_id"]).http_status)
        except StoreUnavailable as error:
            count_webhook("failed")
            return json_response({"detail": str(error)}, 503)
        count_webhook("accepted" if is_ours else "ignored")
        return json_response({})

    def _refuse(self, request: Request, detail: str, status: int) -> Response:
        count_webhook("refused")
        self._refused.count(peer=peer_of(request), reason=detail)
        return json_response({"detail": detail}, status)
