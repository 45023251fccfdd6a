"""Programs beside the service: the ``payments`` command, what it is made of, and tools for developers."""
