"""What tests share: databases, services, accounts, fakes of ports."""
