"""The share of one worker in the limits that hold for all workers together.

Limits on streams and on rates are not here, because the workers count them together: a caller often has one connection,
and so one worker, which must grant it the whole limit.
"""

from collections.abc import Mapping

from server.config.settings import DIVIDED_AMONG_WORKERS, Settings


def share(total: int, workers: int, number: int) -> int:
    """Return the share of worker ``number``, counted from 1, in a limit. The shares add up to ``total``."""
    return total // workers + (number <= total % workers)


def settings_of_worker(settings: Settings, number: int) -> Settings:
    """Return the settings of worker ``number``, counted from 1, whose limits are its share in those of ``settings``."""
    shares: Mapping[str, int] = {
        name: share(getattr(settings, name), settings.workers, number) for name in DIVIDED_AMONG_WORKERS
    }
    return settings.model_copy(update=shares)
