"""Input of any kind, at volume."""
