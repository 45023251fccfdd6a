"""Parts of the service and of its tools, without a database."""
