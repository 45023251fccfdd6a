"""Load batches of rows into tables: look up stored rows, compare, and insert or update, in transactions."""
