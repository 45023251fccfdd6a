"""Serve the RPCs as JSON over HTTP by the ``google.api.http`` rules of the proto, like grpc-gateway.

All knowledge of messages comes from their descriptors, so a new RPC needs no change here.
"""
