"""Connections to the database, the work that runs on them, and the meaning of the driver's errors.

Nothing here depends on the tables of the service.
"""
