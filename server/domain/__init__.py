"""The domain: payments, refunds, money, callers and events, and their rules. Imports only the standard library."""
