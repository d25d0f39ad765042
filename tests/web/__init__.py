"""The web page, as people use it: a real Chromium, a whole backend. Run by `make test-web`."""
