"""The payments in their tables, on a database."""
