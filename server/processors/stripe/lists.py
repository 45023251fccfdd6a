"""Lists of Stripe's API, page by page: "Pagination" (docs.stripe.com/api/pagination)."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import structlog

from server.domain.errors import OutcomeUnknown
from server.processors.stripe.http import Request, StripeApi
from server.processors.stripe.responses import text

PAGE_SIZE = 100
_MAX_PAGES = 100

_log = structlog.get_logger(__name__)


async def listed(
    api: StripeApi, operation: str, path: str, query: Mapping[str, str]
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the listed objects, the newest first.

    Raises:
        OutcomeUnknown: the processor does not list them, or there are too many.
    """
    query = {**query, "limit": str(PAGE_SIZE)}
    for _ in range(_MAX_PAGES):
        objects, has_more = page_of(operation, await api.read(Request(operation, "GET", path, query=query)))
        for item in objects:
            yield item
        if not has_more:
            return
        last_id = text(objects[-1], "id") if objects else None
        if last_id is None:
            raise OutcomeUnknown(f"{operation}: the list has more pages, but the last object has no id")
        query = {**query, "starting_after": last_id}
    _log.error("processor_list_too_long", operation=operation, pages=_MAX_PAGES)
    raise OutcomeUnknown(f"{operation}: the processor lists more than {_MAX_PAGES * PAGE_SIZE} objects")


def page_of(operation: str, body: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], bool]:
    """Return the objects of a page, and whether there are more pages.

    Raises:
        OutcomeUnknown: the response is not a list.
    """
    page, has_more = body.get("data"), body.get("has_more")
    if not isinstance(page, list) or not isinstance(has_more, bool):
        raise OutcomeUnknown(f"{operation}: the response is not a list")
    return [item for item in page if isinstance(item, dict)], has_more
