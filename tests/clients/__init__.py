"""The clients, each by its own programs, against real services."""
