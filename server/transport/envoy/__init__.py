"""Envoy as the front of the service, in the same process: its configuration, its start, and its administration.

Envoy loads pyvoy, which runs a Python interpreter and passes requests to the ASGI applications in
``server.app.inside_envoy``.
"""
