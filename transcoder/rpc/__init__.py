"""gRPC-Web and Connect: every RPC of the descriptor set at ``/package.Service/Method``, for generated clients."""
