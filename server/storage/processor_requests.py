"""When what a remote processor is asked is due for the janitor."""

DUE_SECONDS = 30.0
"""Unless a deployment has it otherwise."""

_MICROSECONDS = 1_000_000


def microseconds(seconds: float) -> int:
    """Return a time as the statements have it."""
    return round(seconds * _MICROSECONDS)


DUE_MICROSECONDS = microseconds(DUE_SECONDS)
