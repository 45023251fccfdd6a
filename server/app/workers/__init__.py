"""Several processes that serve together: a supervisor, which serves no calls, and the workers that it starts.

The supervisor restarts workers that end, and serves health and metrics for the whole. The workers listen on the same
ports, among which the kernel distributes new connections. ``worker.py`` and ``shared_*.py`` run in a worker, and the
other modules in the supervisor. With ``WORKERS=1``, none of them runs.
"""
