"""The measuring programs, run small."""
