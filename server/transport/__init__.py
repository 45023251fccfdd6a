"""The transports, gRPC and REST, through which callers reach the use cases.

``pipeline`` handles every call over either transport, ``service`` implements the RPCs, and ``grpc`` and ``rest`` speak
the protocols.
"""
