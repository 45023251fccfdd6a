"""The contract with callers, tested over every transport and engine against running services."""
