"""The composition root: builds every part of the service from its settings, starts, drains and stops them.

Nothing imports this package but ``server.__main__``, tests and benches. It has no rule of its own about payments.
"""
