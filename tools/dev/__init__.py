"""Tools for those who develop the service: a private database, generated code, mutation tests, audits.

They are not in the wheel, and nothing that is in it imports them.
"""
