"""The steps of every call, over either transport: admission, authentication, limits, logging, error translation.

Nothing here knows an RPC by name, except the table of roles. One table translates errors to statuses.
"""
