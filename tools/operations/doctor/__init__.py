"""The checks of ``payments doctor``. They change nothing, and say how to fix each problem."""
