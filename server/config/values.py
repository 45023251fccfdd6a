"""Types of values that several classes of settings use."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from server.config.network_addresses import is_address

_HOST = re.compile(r"[\w.:%-]+")


def _check_host(host: str) -> str:
    # Messages about an address that is unreachable or in use quote the host, so it must not contain a password.
    bare_host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _HOST.fullmatch(bare_host) or (":" in bare_host and not is_address(bare_host)):
        msg = "must be only a host name or address: port, user and password have their own settings"
        raise ValueError(msg)
    return bare_host


def split_commas(text: str) -> list[str]:
    """Return the items of a list that is separated by commas, without spaces around them and without empty ones."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _split(value: object) -> object:
    return split_commas(value) if isinstance(value, str) else value


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]
Host = Annotated[str, AfterValidator(_check_host)]
CommaSeparated = (NoDecode, BeforeValidator(_split))
"""Annotations of a collection whose items are separated by commas in the variable."""
