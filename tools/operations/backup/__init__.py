"""Backup and restore with the database's own client programs, and the format of backup files."""
