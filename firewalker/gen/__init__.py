"""Made by `make gen` from proto/. Never edited."""
