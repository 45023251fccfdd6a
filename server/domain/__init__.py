"""The rules of payments, in types that cannot be wrong. Standard library only."""
