"""What callers can do, one module per resource. Each use case opens its one transaction; none knows SQL or protos."""
