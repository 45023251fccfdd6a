"""The running server: engines, ports, health, metrics and traces."""
