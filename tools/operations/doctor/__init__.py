"""The checks of ``payments doctor``. They change nothing, and each result says what to do about a problem."""
