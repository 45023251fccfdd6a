"""Loading batches of rows into tables: look up, compare with the stored rows, insert or update, in transactions."""
