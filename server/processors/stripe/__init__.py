"""Stripe's API as a ``RemoteProcessor``: the requests, the meaning of the responses, and the supported amounts.

Only ``http`` sends requests. Stripe's terms are not used outside this package.
"""
