"""Processors: the parts of the Stripe adapter, and services with a faulty processor."""
