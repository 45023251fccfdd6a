"""Processors: the adapter's parts, a service with one that works, and with one that is faulty."""
