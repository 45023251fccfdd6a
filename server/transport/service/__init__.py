"""The RPCs: each decodes its request, runs its use case and encodes the outcome.

``servicer`` has a method for each, and the codecs translate between messages and domain types. No rule is here.
"""
