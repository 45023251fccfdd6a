"""The stores: they implement the ports of the use cases on a MySQL-compatible database. All SQL of the service is here.

``database`` handles connections and errors, ``batching`` runs one statement for many calls, and each of the other
packages covers one subject.
"""
