"""Connections to the database, work that is done on them, and what the driver's errors mean.

It knows no table of ours but that of migrations, whose version it checks at the start.
"""
