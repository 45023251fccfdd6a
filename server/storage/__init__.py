"""Adapters of the ports of the use cases, on a MySQL-compatible database. All SQL of the service is here.

``database`` has connections and errors, ``batching`` puts many requests into one statement, and each other package
keeps one subject.
"""
