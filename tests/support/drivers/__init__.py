"""How tests call a service: over gRPC, REST, ``/v1``, a browser, or byte by byte."""
