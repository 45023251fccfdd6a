"""Helpers that tests share: databases, services, accounts, and fakes of ports."""
