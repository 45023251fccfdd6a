"""The use cases, in terms of the domain, and the ports that they need: stores, processors and the charge flow.

This package does not depend on SQL, protobuf, HTTP or a driver. The adapters of the ports are in ``storage`` and
``processors``.
"""
