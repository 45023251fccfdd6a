"""The tests: unit (no database), storage, tools and cli (a real one), contract (a real server too), faults, fuzz."""
