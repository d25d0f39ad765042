"""Attacks on a gRPC port, in processes of their own: what plain grpclib falls to, and the hardened server withstands."""
