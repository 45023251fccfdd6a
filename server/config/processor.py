"""Settings of the payment processor."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from server.config.network_addresses import is_loopback
from server.config.values import Probability, Seconds, split_commas
from server.domain.payment import PaymentMethod
from server.domain.payment_source import MIN_KEY_LENGTH

_REQUIRED_FOR_STRIPE = ("processor_url", "processor_api_key", "processor_methods")

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/?")


class ProcessorKind(StrEnum):
    """The payment processor, which moves the money."""

    SIMULATED = "simulated"
    STRIPE = "stripe"


class ProcessorSettings(BaseModel):
    """The payment processor."""

    success_probability: Probability = Field(
        0.6, description="probability that the simulated processor approves a charge, 0 to 1"
    )
    success_probability_upi: Probability | None = Field(
        None, description="the same for UPI; unset: SUCCESS_PROBABILITY"
    )
    success_probability_card: Probability | None = Field(
        None, description="the same for CARD; unset: SUCCESS_PROBABILITY"
    )
    success_probability_cod: Probability | None = Field(
        None, description="the same for COD; unset: SUCCESS_PROBABILITY"
    )
    processor_seed: int | None = Field(
        None, description="random seed of the simulated processor, for repeatable outcomes"
    )
    processor: ProcessorKind = Field(
        ProcessorKind.SIMULATED, description="payment processor: simulated, or stripe (or any other with Stripe's API)"
    )
    processor_url: str | None = Field(
        None, description="base URL of the processor, for stripe; must be https unless on loopback"
    )
    processor_api_key: SecretStr | None = Field(
        None, description="API key of this service at the processor, for stripe"
    )
    processor_methods: Annotated[Mapping[PaymentMethod, str], NoDecode] = Field(
        {},
        description="supported methods, as METHOD, or as METHOD=NAME with the payment_method that charges without a "
        "payment source use, separated by commas; for stripe",
    )
    payment_source_keys: SecretStr = Field(
        SecretStr(""),
        description="keys of the hashes of payment sources, the newest first, separated by commas; each of 32 or more "
        "printable ASCII characters; unset: charges may have no payment source; for stripe",
    )
    processor_approval_seconds: Seconds = Field(
        900, description="how long a payer has to approve a payment before it is canceled"
    )
    processor_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that sign the processor's webhooks, separated by commas; unset: no webhooks; for stripe",
    )
    processor_webhook_tolerance_seconds: Seconds = Field(
        300, description="maximum age of a webhook's signature, against replays"
    )
    processor_events_interval_seconds: Seconds = Field(
        60, description="how often one replica reads the processor's list of events, in case webhooks are lost"
    )
    processor_default_method: PaymentMethod = Field(
        PaymentMethod.CARD, description="method of charges without one, for stripe; one of PROCESSOR_METHODS"
    )
    processor_timeout_seconds: Seconds = Field(10, description="timeout of one request to the processor")
    processor_deadline_margin_seconds: Seconds = Field(
        0.25,
        description="how long before its deadline a call returns PENDING if the processor has not answered",
    )
    processor_max_requests: int = Field(
        64, ge=1, le=10_000, description="maximum number of concurrent charges and refunds at the processor"
    )
    processor_breaker_failures: int = Field(
        5, ge=1, le=1000, description="number of consecutive requests without an answer that opens the circuit breaker"
    )
    processor_breaker_open_seconds: Seconds = Field(
        10, description="how long the open circuit breaker stops requests before it allows a trial request"
    )
    processor_janitor_interval_seconds: Seconds = Field(
        1, description="how often the reconciler looks for pending charges and refunds"
    )
    processor_janitor_after_seconds: Seconds = Field(
        30, description="age of a pending charge or refund at which the reconciler asks the processor about it"
    )
    processor_janitor_max_pause_seconds: Seconds = Field(
        300, description="maximum pause before the reconciler asks again; the pause doubles each time"
    )
    processor_key_lifetime_seconds: float = Field(
        86_400,
        gt=0,
        le=31_536_000,
        allow_inf_nan=False,
        description="how long the processor remembers idempotency keys; a charge or refund that it still does not know "
        "after that becomes FAILED",
    )

    @field_validator("processor_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        # The message does not quote the URL, because it may contain a password.
        if url is None:
            return None
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        if not (_URL.fullmatch(url) and is_safe):
            raise ValueError("must be a URL such as https://api.stripe.com, without a path; http only on loopback")
        return url

    @field_validator("processor_api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[!-~]+", key.get_secret_value()):
            raise ValueError("must be printable ASCII characters without spaces")
        return key

    @property
    def payment_source_key_values(self) -> tuple[str, ...]:
        """The keys in PAYMENT_SOURCE_KEYS."""
        return tuple(split_commas(self.payment_source_keys.get_secret_value()))

    @property
    def processor_webhook_secret_values(self) -> tuple[str, ...]:
        """The secrets in PROCESSOR_WEBHOOK_SECRETS."""
        return tuple(split_commas(self.processor_webhook_secrets.get_secret_value()))

    @field_validator("payment_source_keys")
    @classmethod
    def _check_source_keys(cls, keys: SecretStr) -> SecretStr:
        texts = split_commas(keys.get_secret_value())
        if not all(re.fullmatch(rf"[!-~]{{{MIN_KEY_LENGTH},}}", text) for text in texts):
            raise ValueError(f"must be keys of {MIN_KEY_LENGTH} or more printable ASCII characters without spaces")
        if len(set(texts)) < len(texts):
            raise ValueError("must contain each key once")
        return keys

    @field_validator("processor_webhook_secrets")
    @classmethod
    def _check_webhook_secrets(cls, secrets: SecretStr) -> SecretStr:
        if not all(re.fullmatch(r"[!-~]{16,}", text) for text in split_commas(secrets.get_secret_value())):
            raise ValueError("must be secrets of 16 or more printable ASCII characters, such as whsec_...")
        return secrets

    @field_validator("processor_methods", mode="before")
    @classmethod
    def _split_methods(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.partition("=") for entry in split_commas(value)]
        if len({method for method, _, _ in entries}) < len(entries):
            raise ValueError("must contain each method once, such as CARD=pm_card_visa,UPI=pm_upi")
        if any(separator and not name for _, separator, name in entries):
            raise ValueError("must be entries with a name after each =, such as CARD,UPI=pm_upi")
        return {method: name for method, _, name in entries}

    @field_validator("processor_methods")
    @classmethod
    def _check_methods(cls, methods: Mapping[PaymentMethod, str]) -> Mapping[PaymentMethod, str]:
        if PaymentMethod.OTHER in methods or not all(re.fullmatch(r"[!-~]*", name) for name in methods.values()):
            raise ValueError("must be entries for UPI, CARD or COD in printable ASCII, such as CARD,UPI=pm_upi")
        return methods

    @model_validator(mode="after")
    def _check_stripe(self) -> Self:
        if self.processor is ProcessorKind.STRIPE:
            missing = [name.upper() for name in _REQUIRED_FOR_STRIPE if not getattr(self, name)]
            if missing:
                raise ValueError(f"PROCESSOR=stripe requires {', '.join(missing)}")
            if self.processor_default_method not in self.processor_methods:
                raise ValueError("PROCESSOR_DEFAULT_METHOD must be one of PROCESSOR_METHODS")
            if not (all(self.processor_methods.values()) or self.payment_source_key_values):
                raise ValueError("PROCESSOR_METHODS without a NAME require PAYMENT_SOURCE_KEYS")
            minimum_seconds = max(10 * self.processor_timeout_seconds, 2 * self.processor_janitor_after_seconds)
            if self.processor_key_lifetime_seconds < minimum_seconds:
                # No request is sent in the last quarter of the lifetime, so a quarter must be longer than any request.
                raise ValueError(
                    "PROCESSOR_KEY_LIFETIME_SECONDS must be at least 10 times PROCESSOR_TIMEOUT_SECONDS, "
                    "and at least twice PROCESSOR_JANITOR_AFTER_SECONDS"
                )
        return self
