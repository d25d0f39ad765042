"""Everything that runs Firewalker on one machine: private servers, secrets, the supervisor, `firewalker up`.

Standard library only, but for the two readiness probes. Nothing here is imported by a service: production starts the same
services with servers, secrets and supervision of its own.
"""
