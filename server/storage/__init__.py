"""The stores of the service, on a MySQL-compatible database: adapters of the use cases' ports. All its SQL is here.

``database`` has connections and errors, ``batching`` runs one statement for many calls, and each of the other packages
has one subject.
"""
