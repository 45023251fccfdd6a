"""The tables of payments and refunds: the statements, the functions that execute them, and the conversion of rows.

Events belong in ``storage.events``, and the pending requests to a remote processor in ``storage.settlement``.
"""
