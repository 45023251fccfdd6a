"""The stream of events in its tables, and the outbox before it.

When to move changes is up to ``application.relay``, and who reads the stream to ``application.event_feed``.
"""
