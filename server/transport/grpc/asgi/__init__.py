"""gRPC over ASGI: the gRPC HTTP/2 protocol for servers that speak HTTP/2 with trailers and run ASGI applications.

The protocol is https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. What a call means is not decided here.
"""
