"""What a remote processor was asked and has not answered yet: claimed, counted, and given its outcome once.

When to ask again is up to ``application.reconciler``.
"""
