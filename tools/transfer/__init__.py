"""Payments and refunds in and out of files: CSV and Parquet, records, and how they become rows of tables.

It serves ``payments import`` and ``payments export``; the service never uses it.
"""
