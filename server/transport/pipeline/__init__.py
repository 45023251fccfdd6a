"""What every call goes through, over either transport: admission, limits, authentication, logging, error translation.

Nothing here knows an RPC by name, except the table of roles. One table translates errors to statuses.
"""
