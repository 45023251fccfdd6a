"""Payment processors: adapters of the processor ports, which move the money.

``simulated`` decides at random, or as a test asks. ``stripe`` calls an API over HTTP, behind ``circuit_breaker``.
"""
