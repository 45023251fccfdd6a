"""Import and export of payments and refunds. ``files`` handles CSV and Parquet, and ``tables`` the database.

Only ``payments import`` and ``payments export`` use this package, never the service.
"""
