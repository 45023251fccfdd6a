"""The problems that ``/v1`` reports for invalid requests, in the words of the legacy service.

Every parameter and every property of a body in the OpenAPI document is set to values that may be invalid.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

from httpx import Response

from tests.surface.violations import JSON_VALUES, MALFORMED_JSON, TEXTS, as_json
from tests.surface.without_database import client_of, service_without_database


def v1_problems() -> dict[str, Any]:
    """Return the types and messages of problems by location, for each route."""
    return asyncio.run(_collect())


async def _collect() -> dict[str, Any]:
    found: dict[str, Any] = {}
    with service_without_database() as service:
        async with client_of(service.rest) as rest:
            document = (await rest.get("/openapi.json")).json()
            for verb, path, operation in _operations(document):
                problems: defaultdict[str, set[str]] = defaultdict(set)
                for request in _changed_requests(path, operation):
                    for location, problem in _problems(await rest.request(verb, **request)):
                        problems[location].add(problem)
                found[f"{verb} {path}"] = {location: sorted(listed) for location, listed in problems.items()}
    return found


def _operations(document: Any) -> Iterator[tuple[str, str, Any]]:  # noqa: ANN401 - JSON
    """Yield the ``/v1`` operations of the OpenAPI document with their references resolved."""
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for verb, operation in operations.items():
                yield verb.upper(), path, _resolve(operation, document)


def _resolve(part: Any, document: Any) -> Any:  # noqa: ANN401 - JSON
    match part:
        case {"$ref": str(reference)}:
            target = document
            for step in reference.removeprefix("#/").split("/"):
                target = target[step]
            return _resolve(target, document)
        case dict():
            return {name: _resolve(value, document) for name, value in part.items()}
        case list():
            return [_resolve(item, document) for item in part]
    return part


def _changed_requests(path: str, operation: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Yield requests that differ from a valid one in one place, as arguments for httpx."""
    url = path.format(payment_id=1)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    valid = {"url": url} if content is None else {"url": url, "json": content["example"]}
    for parameter in operation["parameters"]:
        name = parameter["name"]
        for text in TEXTS:
            match parameter["in"]:
                case "query":
                    yield valid | {"params": {name: text}}
                case "path" if text:
                    yield valid | {"url": path.format(**{name: quote(text)})}
                case "header" if text.isprintable():
                    yield valid | {"headers": {name: text}}
    if content is not None:
        yield from ({"url": url, "content": body} for body in (*MALFORMED_JSON, *map(as_json, JSON_VALUES)))
        for name, value in product(content["schema"]["properties"], (*JSON_VALUES, *TEXTS)):
            yield {"url": url, "json": content["example"] | {name: value}}


def _problems(response: Response) -> list[tuple[str, str]]:
    """Return the location of each problem in a response, with its type and message."""
    detail = response.json().get("detail")
    if not isinstance(detail, list):
        return []
    return [(".".join(map(str, problem["loc"])), f"{problem['type']}: {problem['msg']}") for problem in detail]
