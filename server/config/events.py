"""Settings of the event stream."""

from pydantic import BaseModel, Field

from server.config.values import Seconds


class EventSettings(BaseModel):
    """The event stream."""

    event_relay_interval_seconds: Seconds = Field(
        0.1, description="how often each replica checks for changes to relay, and for new events"
    )
    event_heartbeat_interval_seconds: Seconds = Field(
        15, description="how long an event stream may be silent before its consumer gets a heartbeat"
    )
