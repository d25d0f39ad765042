"""All processes, real clients: what the product promises, seen from outside."""
