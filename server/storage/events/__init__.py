"""The tables of the event stream and of the outbox.

``application.relay`` decides when changes are moved into the stream, and ``application.event_feed`` reads it.
"""
