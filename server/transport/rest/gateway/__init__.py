"""RPCs over HTTP and JSON, by the ``google.api.http`` rules of the proto, as grpc-gateway serves them.

It knows messages by their descriptors alone: a new RPC needs no line here.
"""
