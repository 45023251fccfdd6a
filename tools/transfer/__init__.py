"""Import and export of payments and refunds. ``files`` handles CSV and Parquet, and ``tables`` the database.

The service never uses this package.
"""
