"""Connections to the database, the work that runs on them, and the meaning of the driver's errors.

It knows no table of ours but that of migrations, whose version it checks at the start.
"""
