"""The import and export of payments and refunds. ``files`` knows CSV and Parquet, ``tables`` the database.

Only ``payments import`` and ``payments export`` use it, never the service.
"""
