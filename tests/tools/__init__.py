"""The tools' own parts, on a database."""
