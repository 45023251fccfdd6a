"""The payment service; ``python -m server`` runs it.

``docs/architecture.md`` shows the packages and the path of a call. Each package's docstring says what belongs in it.
"""
