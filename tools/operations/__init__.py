"""What looks after a running deployment: backups, the archive, diagnosis, and probes.

Each works on the database that the settings name, or asks a running service.
"""
