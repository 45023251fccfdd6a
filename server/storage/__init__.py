"""Payments in a MySQL-compatible database; the sole owner of its driver."""
