"""Payments and refunds in their tables: the statements, the functions that execute them, and rows as domain types.

Events belong in ``storage.events``, and the requests of a remote processor in ``storage.settlement``.
"""
