"""The step service's doors: protos in, protos out, and who may call."""
