"""Payment processors: adapters of the ports by which the use cases have money moved.

``simulated`` decides by chance and at once. ``stripe`` asks over HTTP, with ``circuit_breaker`` in front of it.
"""
