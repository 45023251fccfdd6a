"""The transports, gRPC and REST, through which callers reach the use cases.

``pipeline`` wraps every call of both, ``service`` implements the RPCs, and ``grpc`` and ``rest`` speak the protocols.
"""
