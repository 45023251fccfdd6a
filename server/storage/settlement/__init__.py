"""The pending requests to a remote processor: claiming, counting and settling them.

``application.reconciler`` decides when to ask the processor again.
"""
