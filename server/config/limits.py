"""Settings of load limits: concurrent calls, rates and streams; and timeouts."""

from pydantic import BaseModel, Field

from server.config.values import Seconds


class LimitSettings(BaseModel):
    """Limits on calls and streams, and timeouts."""

    max_concurrent_calls: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="maximum number of concurrent calls; further calls are rejected as OVERLOADED",
    )
    overload_target_seconds: Seconds = Field(
        0.1,
        description="while calls are being rejected, the limit of concurrent calls shrinks if even the fastest calls "
        "of an RPC take longer than this; 3600: never",
    )
    call_timeout_seconds: Seconds = Field(60, description="maximum duration of a call, regardless of its deadline")
    rate_limit_calls_per_second: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="maximum rate of calls of one caller, per second; unset: no limit",
    )
    rate_limit_burst_calls: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="how many calls a caller may make in a burst, if RATE_LIMIT_CALLS_PER_SECOND is set",
    )
    rate_limit_failed_authentications_per_second: float = Field(
        1,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="maximum rate of failed authentications from one address, per second; beyond it, they are rejected "
        "as RATE_LIMITED, while calls with valid credentials are still served",
    )
    rate_limit_failed_authentications_burst: int = Field(
        100, ge=1, le=1_000_000, description="how many failed authentications one address may make in a burst"
    )
    max_watches: int = Field(100, ge=0, le=100_000, description="maximum number of open event streams")
    max_watches_per_caller: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="maximum number of open event streams of one caller, or of one address if anonymous; unset: a "
        "quarter of MAX_WATCHES",
    )
    drain_timeout_seconds: Seconds = Field(20, description="how long calls in progress may take to finish at shutdown")
