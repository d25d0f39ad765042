"""What every service says to the others in this product's own protos, both sides of it. The wire below is `runtime/grpc`."""
