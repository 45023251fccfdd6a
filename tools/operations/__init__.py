"""Operating a deployment: backups, the archive, diagnosis, the history of a payment, sample data and health probes.

Each works on the database that the settings name, or asks a running service.
"""
