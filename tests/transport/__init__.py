"""Parts of the transports, served on a real socket with services of the tests' own."""
