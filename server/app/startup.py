"""The settings and the log of this process, which may be one of several workers."""

from server.app.workers.worker import Worker
from server.config.settings import Settings, load_settings
from server.config.shares import settings_of_worker


def load_settings_of_process() -> tuple[Settings, Worker | None]:
    """Return the settings, and the worker that this process is, if it is one, which has its share of the limits.

    Raises:
        SettingsError: settings are invalid.
    """
    worker = Worker.from_environment()
    # The supervisor has read the file for all workers.
    settings = load_settings(reads_file=worker is None)
    return (settings, None) if worker is None else (settings_of_worker(settings, worker.number), worker)


def number_of(worker: Worker | None) -> int | None:
    """Return the number of a worker, if there is one."""
    return None if worker is None else worker.number
