"""``openapi.json``, which describes the REST interface, and the pages that show it.

``make generate`` generates the document from the protos and ``proto/openapi-overlay.yaml``; the service only serves it.
"""
