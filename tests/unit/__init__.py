"""Rules of the domain and of the settings, with no input or output."""
