"""Clients with which tests call a service: over gRPC, ``/v2``, ``/v1``, in a browser, or as raw bytes."""
