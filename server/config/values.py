"""Types of values that settings of several subjects have."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from server.config.network_addresses import is_address

_HOST = re.compile(r"[\w.:%-]+")


def _host_alone(host: str) -> str:
    # Messages about an unreachable or occupied address quote it.
    alone = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _HOST.fullmatch(alone) or (":" in alone and not is_address(alone)):
        msg = "must be a host's name or address alone: port, user and password have settings of their own"
        raise ValueError(msg)
    return alone


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Host = Annotated[str, AfterValidator(_host_alone)]
CommaSeparated = (NoDecode, BeforeValidator(_split))
"""Annotations of a collection whose items a variable lists with commas between."""
