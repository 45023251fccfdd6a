"""Payment processors: adapters of the processor ports, which move the money.

``simulated`` decides by chance and at once. ``stripe`` calls an API over HTTP, behind ``circuit_breaker``.
"""
