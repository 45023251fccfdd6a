"""A service that runs: engines, ports, health, metrics, traces."""
