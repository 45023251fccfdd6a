"""The tests: unit (no input or output), storage (a real database), api (a real server too), faults."""
