"""Firewalker on AWS. `plan` and `boot` are plain Python, for tests without CDK; everything else makes constructs."""
