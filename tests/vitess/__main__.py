"""What Vitess makes of the VSchemas and of every statement of the stores, on four shards: `make test-vitess`.

    python -m tests.vitess

vtexplain is the planner of vtgate as a program; it is built with Go, once, which takes minutes. For every statement that is
whole as it stands (not put together while the services run) it tells which shards would be asked. Every key is given the same value
and every lookup finds the same shard, another than that value's, so it has to be told of a statement that

- stays in the shards of its keys (`own`): one shard if it is given keys, and one more if it looks something up, neither more nor fewer;
- goes on from there (`join`): more than these, and not all;
- asks every shard (`all`): all.

Statements that it cannot plan are a failure, but for those in `KNOWN`; how many were not planned is printed.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.conformance import tools

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SHARDING = runpy.run_path(str(DEPLOY / "sharding.py"))

VTEXPLAIN = "vitess.io/vitess/go/cmd/vtexplain@v0.24.4"
SHARDS = 4
TRIES = 8
"""vtexplain falls over itself now and then."""

_SEQUENCE = "comment 'vitess_sequence'"
_NOBODY = 65_534
_PLANS_S = 60

KNOWN = {
    "schema tracking required": "a DELETE with LIMIT over all shards: vtgate tracks schemas, vtexplain does not",
    "unsupported TypeCollationID": "vtexplain stumbles over the rows that it makes up for a UNION",
}
"""Parts of what vtexplain says, and why it is no failure."""


def filled(text: str) -> str:
    """A statement with values in the place of its parameters."""
    text = re.sub(r"--.*", "", text)
    text = re.sub(
        r"\(\s*\w+,\s*\w+\s*\)\s*IN\s*\(\{places\}\)", lambda found: found[0].replace("{places}", "('1','1')"), text
    )
    text = re.sub(r"\{places\}|%\(\w+\)s|%s", "'1'", text)
    text = " ".join(re.sub(r"\b(LIMIT|OFFSET) '1'", r"\1 1", text).split())
    if inserted := re.fullmatch(r"INSERT INTO \w+ \(([^)]*)\) VALUES", text):
        values = ["'1'"] * (inserted[1].count(",") + 1)
        text += " (" + ", ".join(values) + ")"
    return text


def given(service: str, folder: Path) -> tuple[Path, Path]:
    """Files of the keyspaces and of their tables, as vtexplain takes them."""
    tables = SHARDING["schema"](service)
    places = [DEPLOY / "vitess" / f"{service}{kind}.json" for kind in ("", "_lookup", "_whole")]
    keyspaces = {place.stem: json.loads(place.read_text()) for place in places if place.exists()}
    made = []
    for keyspace in keyspaces.values():
        for name, placed in keyspace["tables"].items():
            if placed.get("type") == "sequence":
                made.append(
                    f"create table {name} (id int, next_id bigint, cache bigint, primary key (id)) {_SEQUENCE};"
                )
                continue
            table = tables.get(name)
            columns = sorted(table.columns) if table else [*_looked_up(keyspaces[service], name), "keyspace_id"]
            primary = table.primary if table else columns[:-1]
            placed["columns"] = [{"name": column, "type": "VARBINARY"} for column in columns]
            placed["column_list_authoritative"] = True
            typed = ", ".join(f"`{column}` varbinary(64)" for column in columns)
            made.append(f"create table {name} ({typed}, primary key ({', '.join(primary)}));")
    vschema, schema = folder / f"{service}.json", folder / f"{service}.sql"
    vschema.write_text(json.dumps(keyspaces))
    schema.write_text("\n".join(made))
    return vschema, schema


def _looked_up(keyspace: Any, table: str) -> tuple[str, ...]:
    """The columns of a lookup table."""
    for vindex in keyspace["vindexes"].values():
        if vindex.get("params", {}).get("table", "").endswith(f".{table}"):
            return tuple(vindex["params"]["from"].split(","))
    raise LookupError(table)


def plan(program: Path, files: tuple[Path, Path], statement: str) -> tuple[list[str], str]:
    """The places that are asked, keyspace and shard of each, and all that was said."""
    # vtexplain does not run as root.
    nobody: Any = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    said = subprocess.run(
        [
            program, "--shards", str(SHARDS), "--vschema-file", files[0], "--schema-file", files[1], "--sql", statement,
        ],
        capture_output=True, text=True, errors="replace", check=False, timeout=_PLANS_S, cwd=program.parent, **nobody,
    )  # fmt: skip
    return re.findall(r"^\d+ (\w+/[^:]*):", said.stdout, re.MULTILINE), said.stdout + said.stderr


def fits(furthest: str, ways: int, shards: int) -> bool:
    """Whether a plan that asks so many *shards* is one of a statement that goes so far, and finds its own in so many *ways*."""
    return {"own": shards == ways, "join": ways < shards < SHARDS, "all": shards == SHARDS}[furthest]


def check(service: str, program: Path, folder: Path) -> tuple[Counter[str], Counter[str], list[str]]:
    """How many statements were planned and how far they go, how many were not and why, and what is wrong."""
    tables, placed = SHARDING["schema"](service), SHARDING["placements"](service)
    files = given(service, folder)
    every = {
        statement.place: statement
        for statement in [
            *SHARDING["statements"](service),
            *(
                one
                for name in sorted(tables.keys() & SHARDING["_SHARED"].keys())
                for one in SHARDING["_of_runtime"](name)
            ),
        ]
    }
    planned: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong = []
    for place, statement in every.items():
        text = filled(statement.text)
        reached = SHARDING["reaches"](statement, tables, placed).values()
        if not reached:
            continue
        if "{" in text:
            missed["put together later"] += 1
            continue
        asked, said = plan(program, files, text)
        for _ in range(TRIES - 1):
            if asked or any(part in said for part in KNOWN):
                break
            asked, said = plan(program, files, text)
        if not asked:
            known = next((why for part, why in KNOWN.items() if part in said), None)
            missed[known or "failed"] += 1
            if known is None:
                reason = re.search(r"VT\d+: [^'\"|\n]*|ERROR: [^\n]*", said)
                wrong.append(f"{service}.{place}: {reason[0] if reason else said[-200:]}")
            continue
        shards = {where for where in asked if where.startswith(f"{service}/")}
        furthest = max(reached, key=list(SHARDING["Reach"]).index).name.lower()
        planned[furthest] += 1
        ways = len(SHARDING["ways"](statement, tables, placed))
        if not fits(furthest, ways, len(shards)):
            wrong.append(
                f"{service}.{place}: {len(shards)} of {SHARDS} shards, told is {furthest}, found in {ways} ways"
            )
    return planned, missed, wrong


def main() -> int:
    """Plan everything; 1 if something is not as it is told."""
    try:
        built = tools.tool("vtexplain", VTEXPLAIN, whole=False)
    except tools.CannotBuildError as problem:
        print(problem, file=sys.stderr)
        return 2
    failures = []
    number = 0
    unplanned: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = Path(shutil.copy(built, folder))
        for service in SHARDING["SERVICES"]:
            planned, missed, wrong = check(service, program, folder)
            failures += wrong
            number += planned.total() + missed.total()
            unplanned += missed
            print(f"{service}: {', '.join(f'{count} {what}' for what, count in sorted(planned.items()))}")
    why = "; ".join(f"{count} {what}" for what, count in sorted(unplanned.items()))
    print(f"{unplanned.total()} of {number} statements of sharded tables could not be planned: {why}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
