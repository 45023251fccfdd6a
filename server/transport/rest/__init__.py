"""The HTTP server: connections, bodies, replies and streams, and its endpoints for health and metrics.

``gateway`` maps HTTP to the RPCs as the proto says, ``v1`` serves callers of the replaced service, and ``docs`` has the
OpenAPI document and its pages.
"""
