"""The pending requests of a remote processor: claimed, counted, and settled once.

When to ask the processor again is up to ``application.reconciler``.
"""
