"""The RPCs: each decodes its request, runs its use case and encodes the outcome.

``servicer`` has a method for each RPC, and the codecs translate between messages and domain types. Business rules do
not belong here.
"""
