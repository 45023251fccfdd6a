"""Settings of the payment processor."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from server.config.network_addresses import is_loopback
from server.config.values import Probability, Seconds
from server.domain.payment import PaymentMethod

_STRIPE_NEEDS = ("processor_url", "processor_api_key", "processor_methods")

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/?")


class ProcessorKind(StrEnum):
    """Who moves the money."""

    SIMULATED = "simulated"
    STRIPE = "stripe"


class ProcessorSettings(BaseModel):
    """Which processor moves the money, and how it is asked."""

    success_probability: Probability = Field(0.6, description="how often the simulated processor approves, 0 to 1")
    success_probability_upi: Probability | None = Field(None, description="the same for UPI, where it differs")
    success_probability_card: Probability | None = Field(None, description="the same for CARD, where it differs")
    success_probability_cod: Probability | None = Field(None, description="the same for COD, where it differs")
    processor_seed: int | None = Field(None, description="makes the simulated processor repeatable")
    processor: ProcessorKind = Field(
        ProcessorKind.SIMULATED, description="who moves the money: simulated, or stripe (any with its API, over HTTP)"
    )
    processor_url: str | None = Field(None, description="where the processor is, for stripe; https unless on loopback")
    processor_api_key: SecretStr | None = Field(None, description="the processor's key for this service, for stripe")
    processor_methods: Annotated[Mapping[PaymentMethod, str], NoDecode] = Field(
        {},
        description="what the processor is given as payment_method, as METHOD=NAME, separated by commas, for each "
        "method that can be charged; for stripe",
    )
    processor_default_method: PaymentMethod = Field(
        PaymentMethod.CARD, description="the method of charges that name none, for stripe: one of PROCESSOR_METHODS"
    )
    processor_timeout_seconds: Seconds = Field(10, description="how long one request to the processor may take")
    processor_deadline_margin_seconds: Seconds = Field(
        0.25, description="how long before its deadline a call is answered PENDING when the processor has not answered"
    )
    processor_max_requests: int = Field(
        64, ge=1, le=10_000, description="charges and refunds that the processor is asked at the same time at most"
    )
    processor_breaker_failures: int = Field(
        5, ge=1, le=1000, description="requests in a row without an answer after which the processor is left alone"
    )
    processor_breaker_open_seconds: Seconds = Field(10, description="how long it is left alone then")
    processor_janitor_interval_seconds: Seconds = Field(
        1, description="how often the janitor looks for what has no outcome yet"
    )
    processor_janitor_after_seconds: Seconds = Field(
        30, description="how old that must be for the janitor to ask the processor about it"
    )
    processor_janitor_max_pause_seconds: Seconds = Field(
        300, description="how long it waits at most before it asks again, which doubles each time"
    )
    processor_key_lifetime_seconds: float = Field(
        86_400,
        gt=0,
        le=31_536_000,
        allow_inf_nan=False,
        description="how long the processor remembers idempotency keys; what it does not know by then has failed",
    )

    @field_validator("processor_url")
    @classmethod
    def _url_is_safe(cls, url: str | None) -> str | None:
        # The message does not repeat what is in it: there may be a password.
        if url is None:
            return None
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        if not (_URL.fullmatch(url) and is_safe):
            raise ValueError("must be such as https://api.stripe.com, without a path; http only on loopback")
        return url

    @field_validator("processor_api_key")
    @classmethod
    def _key_can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError("must be printable ASCII characters without spaces")
        return key

    @field_validator("processor_methods", mode="before")
    @classmethod
    def _split_methods(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.strip().partition("=") for entry in value.split(",") if entry.strip()]
        if len({method for method, _, _ in entries}) < len(entries):
            raise ValueError("must have each method once, such as CARD=pm_card_visa,UPI=pm_upi")
        return {method: name for method, _, name in entries}

    @field_validator("processor_methods")
    @classmethod
    def _methods_are_chargeable(cls, methods: Mapping[PaymentMethod, str]) -> Mapping[PaymentMethod, str]:
        if PaymentMethod.OTHER in methods or not all(re.fullmatch(r"[!-~]+", name) for name in methods.values()):
            raise ValueError("must be names for UPI, CARD or COD, such as CARD=pm_card_visa,UPI=pm_upi")
        return methods

    @model_validator(mode="after")
    def _processor_is_whole(self) -> Self:
        if self.processor is ProcessorKind.STRIPE:
            missing = [name.upper() for name in _STRIPE_NEEDS if not getattr(self, name)]
            if missing:
                raise ValueError(f"PROCESSOR=stripe needs {', '.join(missing)}")
            if self.processor_default_method not in self.processor_methods:
                raise ValueError("PROCESSOR_DEFAULT_METHOD must be one of PROCESSOR_METHODS")
            least = max(10 * self.processor_timeout_seconds, 2 * self.processor_janitor_after_seconds)
            if self.processor_key_lifetime_seconds < least:
                # A quarter of it must be longer than anything that was asked can be on its way.
                raise ValueError(
                    "PROCESSOR_KEY_LIFETIME_SECONDS must be at least 10 times PROCESSOR_TIMEOUT_SECONDS, "
                    "and twice PROCESSOR_JANITOR_AFTER_SECONDS"
                )
        return self
