"""The API of the replaced service, to the letter, for callers that must notice no change.

New callers have the gateway; nothing is added here.
"""
