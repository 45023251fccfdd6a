"""Reading and writing files, without a database: CSV records, field values, reject files and Parquet."""
