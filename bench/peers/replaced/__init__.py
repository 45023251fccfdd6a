"""The service that this one replaces, made anew: FastAPI, a thread a request, a pool of 16 connections.

It answers as the replaced service did, its flaws included. The bench measures beside it, and tests compare answers with
it. ``python -m bench.peers.replaced`` runs it, with the same ``MYSQL_*`` settings as the service.
"""
