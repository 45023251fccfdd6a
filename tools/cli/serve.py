"""``payments serve``."""

import os
from typing import Annotated

import typer

from server.__main__ import main


def command(
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes that serve together, such as one for each core (default: WORKERS, or 1).",
        ),
    ] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    if workers is not None:
        os.environ["WORKERS"] = str(workers)
    main()
