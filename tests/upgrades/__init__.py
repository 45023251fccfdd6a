"""Upgrades and rollbacks: this release beside the previous one, on one database."""
