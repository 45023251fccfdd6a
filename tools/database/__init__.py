"""How tools reach the database: settings, connections, locks, and the migrations of its schema.

No table of payments is named here.
"""
