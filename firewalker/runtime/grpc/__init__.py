"""gRPC as this project speaks it: a hardened server over grpclib and h2, the edge, the codec, channels to other services.

What differs from plain grpclib, and why, stands in README.md beside this file. Nothing here knows a service.
"""
