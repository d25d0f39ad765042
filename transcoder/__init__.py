"""HTTP/JSON, SSE and NDJSON in front of gRPC services, driven by a descriptor set alone.

It knows a ``FileDescriptorSet`` with ``google.api.http`` annotations and the addresses of the services behind it, and
nothing else of them: adding an annotated RPC needs no change here.
"""
