"""What happens around every call, by whichever transport it comes: admission, limits, authentication, log, errors.

It knows no RPC by name. Each error is translated to a status here, once.
"""
