"""The composition root: builds every part of the service from the settings, and starts, drains and stops the parts.

Only ``server.__main__``, tests and benches import this package. It contains no rules about payments.
"""
