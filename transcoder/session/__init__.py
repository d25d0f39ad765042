"""Sessions of browsers: thin routes below ``/session`` that keep the refresh token where no script can read it."""
