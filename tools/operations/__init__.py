"""Operate a deployment: backup, archive, doctor, the history of a payment, sample data and health probes.

Each tool works on the database in the settings, or queries a running service.
"""
