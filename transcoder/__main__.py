"""``python -m transcoder`` serves; ``python -m transcoder check-config`` prints the configuration and the routes."""

from __future__ import annotations

import argparse
import asyncio
import sys

from transcoder import logs
from transcoder.app import Transcoder
from transcoder.bindings import RuleError
from transcoder.config import ConfigError, Settings
from transcoder.schema import Schema, SchemaError
from transcoder.server import serve


def main() -> int:
    """Run the command; 0 after a drained stop, 2 if the configuration or the descriptor set cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m transcoder", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["serve", "check-config"], default="serve")
    command = parser.parse_args().command
    try:
        settings = Settings.from_environment()
        schema = Schema.load(settings.descriptor_set)
        if command == "check-config":
            _print_configuration(settings, schema)
        else:
            logs.configure(settings.log_level, settings.log_format)
            asyncio.run(serve(settings, schema))
    except (ConfigError, SchemaError, RuleError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's answer
        return 2
    return 0


def _print_configuration(settings: Settings, schema: Schema) -> None:
    lines = settings.lines()
    lines += [f"{each.method} {each.template.text} -> {each.rpc}" for each in Transcoder(settings, schema).bindings]
    print("\n".join(lines))  # noqa: T201 - the command's answer


if __name__ == "__main__":
    sys.exit(main())
