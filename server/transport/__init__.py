"""How calls reach the use cases, and answers leave: gRPC and REST.

``pipeline`` is around every call of both, ``service`` has the RPCs, and ``grpc`` and ``rest`` speak their protocols.
"""
