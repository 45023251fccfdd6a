"""Settings of the event stream."""

from pydantic import BaseModel, Field

from server.config.values import Seconds


class EventSettings(BaseModel):
    """How often the stream of events is read and written."""

    event_relay_interval_seconds: Seconds = Field(0.1, description="how often new events are looked for")
    event_heartbeat_interval_seconds: Seconds = Field(
        15, description="how long after the last event those who watch are told that there was none"
    )
