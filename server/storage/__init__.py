"""Adapters of the ports of the use cases, on a MySQL-compatible database. All SQL of the service is here.

``database`` has connections and errors, ``batching`` runs one statement for many requests, and each other package has
one subject.
"""
