"""The gRPC server: its engines, the handlers of RPCs and streams, and the services for health and reflection.

Code that REST needs too belongs in ``transport.pipeline``.
"""
