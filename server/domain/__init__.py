"""The rules of payments, in types that can only hold valid values. Standard library only."""
