"""The use cases in the words of the domain, and the ports that they need: a store, a processor, a stream of events.

Nothing here knows SQL, protobuf, HTTP or a driver: adapters of the ports are in ``storage`` and ``processors``.
"""
