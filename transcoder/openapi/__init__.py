"""OpenAPI 3.1 made from the descriptor set and its comments, a page that shows it, and a check for breaking changes."""
