"""The checks of ``payments doctor``. They change nothing, and each problem comes with what to do about it."""
