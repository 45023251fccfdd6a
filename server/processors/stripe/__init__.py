"""Stripe's API as a ``RemoteProcessor``: the requests, what the answers mean, and the amounts that it can take.

Only ``http`` sends anything. Stripe's words go no further than this package.
"""
