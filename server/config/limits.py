"""Settings of load limits: calls, rates and streams."""

from pydantic import BaseModel, Field

from server.config.values import Seconds


class LimitSettings(BaseModel):
    """How many calls and streams the service takes on, and how long they may last."""

    max_concurrent_calls: int = Field(
        1000, ge=1, le=1_000_000, description="calls in progress at most; further ones are told to try again"
    )
    overload_target_seconds: Seconds = Field(
        0.1,
        description="while calls are refused, fewer are let in as long as all take more than this; 3600: never fewer",
    )
    call_timeout_seconds: Seconds = Field(60, description="how long a call may take, whatever deadline it has")
    rate_limit_calls_per_second: float | None = Field(
        None, gt=0, le=1_000_000, allow_inf_nan=False, description="calls a second of one caller at most; else any"
    )
    rate_limit_burst_calls: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="calls that a caller may make at once after a pause, where that is limited",
    )
    rate_limit_failed_authentications_per_second: float = Field(
        1,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="calls a second without valid credentials from one address that are told why; further ones are "
        "told to try again later, and valid ones are served",
    )
    rate_limit_failed_authentications_burst: int = Field(
        100, ge=1, le=1_000_000, description="how many of those are told why at once after a pause"
    )
    max_watches: int = Field(100, ge=0, le=100_000, description="streams of events that may be open at the same time")
    max_watches_per_caller: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="how many of them one caller may have open, or one address without a name; else a quarter",
    )
    drain_timeout_seconds: Seconds = Field(20, description="how long calls in progress may take to end at shutdown")
