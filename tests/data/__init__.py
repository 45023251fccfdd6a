"""Bringing payments and refunds in and out."""
