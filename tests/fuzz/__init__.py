"""Fuzz targets, for coverage-guided fuzzing with atheris (`make fuzz`) and, on a small corpus, as unit tests."""
