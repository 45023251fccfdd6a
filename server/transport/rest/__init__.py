"""The HTTP server: connections, bodies, responses and streams, and the endpoints for health and metrics.

``gateway`` maps HTTP requests to RPCs by the proto's options, ``v1`` serves callers of the legacy service, and ``docs``
has the OpenAPI document and the pages that show it.
"""
