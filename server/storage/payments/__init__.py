"""Payments and refunds in their tables: the statements, who executes them, and the rows as domain types.

Events belong in ``storage.events``, and what a remote processor was asked in ``storage.settlement``.
"""
