"""``python -m transcoder`` serves; its other commands look at configuration and descriptor sets and print what they find."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from transcoder import logs
from transcoder.app import Transcoder
from transcoder.bindings import RuleError
from transcoder.config import ConfigError, Settings
from transcoder.openapi.surface import breaking
from transcoder.schema import Schema, SchemaError
from transcoder.server import serve
from transcoder.turns import TimedLoop


def main() -> int:
    """Run the command; 0 after a drained stop, 1 for breaking changes, 2 if something given cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m transcoder")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="serve, configured by the environment (also without a command)")
    commands.add_parser("check-config", help="print the effective configuration and every route")
    compare = commands.add_parser(
        "check-breaking", help="fail if HTTP clients of one descriptor set break with another"
    )
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "check-breaking":
            return _compare(Schema.load(arguments.old), Schema.load(arguments.new))
        settings = Settings.from_environment()
        schema = Schema.load(settings.descriptor_set)
        if arguments.command == "check-config":
            _print_configuration(settings, schema)
        else:
            logs.configure(settings.log_level, settings.log_format)
            with asyncio.Runner(loop_factory=TimedLoop) as runner:
                runner.run(serve(settings, schema))
    except (ConfigError, SchemaError, RuleError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's answer
        return 2
    return 0


def _compare(old: Schema, new: Schema) -> int:
    found = list(breaking(old, new))
    for line in found:
        print(line, file=sys.stderr)  # noqa: T201 - the command's answer
    return 1 if found else 0


def _print_configuration(settings: Settings, schema: Schema) -> None:
    lines = settings.lines()
    lines += [f"{each.method} {each.template.text} -> {each.rpc}" for each in Transcoder(settings, schema).bindings]
    print("\n".join(lines))  # noqa: T201 - the command's answer


if __name__ == "__main__":
    sys.exit(main())
