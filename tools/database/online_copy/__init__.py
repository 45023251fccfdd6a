"""Alter a large table while it is written to, by copying it. ``table_copy`` has the steps."""
