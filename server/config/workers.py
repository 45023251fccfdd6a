"""Settings of the worker processes."""

from pydantic import BaseModel, Field


class WorkerSettings(BaseModel):
    """Worker processes."""

    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="number of processes that serve together on the same ports, such as one for each core; limits hold "
        "for all of them together",
    )
