"""Processors, which move the money: the simulated one, and a remote one in the manner of Stripe's API."""
