"""The doors of the user service: protos in, use cases called, protos out."""
