"""The use cases in the words of the domain, and the ports that they need: stores, processors, a flow of charges.

Nothing here knows SQL, protobuf, HTTP or a driver. The adapters of the ports are in ``storage`` and ``processors``.
"""
