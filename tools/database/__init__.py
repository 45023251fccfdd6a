"""The tools' access to the database: settings, connections, locks, and schema migrations."""
