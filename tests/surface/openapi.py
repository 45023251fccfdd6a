"""The OpenAPI document that ``/openapi.json`` serves."""

import asyncio
from typing import Any

from tests.surface.without_database import client_of, service_without_database


def openapi() -> Any:  # noqa: ANN401 - JSON
    """Return the document."""
    return asyncio.run(_fetch())


async def _fetch() -> Any:  # noqa: ANN401 - JSON
    with service_without_database() as service:
        async with client_of(service.rest) as rest:
            return (await rest.get("/openapi.json")).raise_for_status().json()
