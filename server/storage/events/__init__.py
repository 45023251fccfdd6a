"""The stream of events in its tables: the relay that numbers what the outbox has, and the reading side.

Who follows the stream, and how, is up to ``application.event_feed``.
"""
