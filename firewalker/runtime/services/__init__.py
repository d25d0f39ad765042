"""What services say to each other in this product's own protos, both sides of it. The wire below is `runtime/grpc`."""
