"""A reimplementation of the legacy service: FastAPI, one thread per request, and a pool of 16 connections.

Its responses are those of the legacy service, including its flaws. Benchmarks and tests compare the service with it.
``python -m bench.peers.legacy`` runs it with the same ``MYSQL_*`` settings as the service.
"""
