"""The obvious ways to take steps in, to compare with: one call, one upsert and one commit for each reading."""
