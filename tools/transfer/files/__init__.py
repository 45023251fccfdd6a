"""Reading and writing files: CSV records, the values of their fields, reject files and Parquet. No database."""
