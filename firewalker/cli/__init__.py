"""The `firewalker` command: runs the backend on one machine, looks after it, and plays its clients.

Commands that play clients (`walk`, `watch`, `demo`) speak the public gRPC API alone, as a phone would. Nothing here is
imported by a service.
"""


def main() -> None:
    """Run the command line. The console script `firewalker` starts here."""
    from firewalker.cli.app import run  # noqa: PLC0415 - importing the package costs nothing

    run()
