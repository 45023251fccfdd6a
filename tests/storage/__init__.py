"""What reaches the database, on a real one."""
