"""Writes `deploy/sharding.md`: how every table spreads over shards, and which statements leave their shard.

    python deploy/sharding.py            # writes deploy/sharding.md
    python deploy/sharding.py --check    # fails if it is not what this writes

The shard keys are those of the VSchemas in `deploy/vitess`; primary and unique keys come from the schema files of each service,
statements from its stores. A statement stays in its shards if every sharded table that it names is found by that table's shard
key (or inserted with it), or by a unique key that has a lookup. Needs the standard library alone.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIREWALKER = HERE.parent / "firewalker"
SERVICES = ("user", "step", "notification")

_SHARED = {
    "outbox": FIREWALKER / "runtime" / "outbox",
    "event_seen": FIREWALKER / "runtime" / "inbox.py",
    "answered_call": FIREWALKER / "runtime" / "repeats.py",
    "tombstone": FIREWALKER / "runtime" / "personal_data" / "tombstones.py",
}
"""Tables of the runtime, and where their statements are."""

_STATEMENT = re.compile(r"\s*(--.*\n\s*)*(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
_NAMED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(?!CURRENT_)([a-z_]+)(?:\s+(?!ON|SET|WHERE|LEFT|JOIN|UNION|ORDER)([a-z]{1,2})\b)?"
)
_HEAD = """# How tables spread over shards

Written by `python deploy/sharding.py` from the VSchemas in `deploy/vitess`, the schema files and the statements of the stores;
`tests/architecture/test_sharding.py` compares it. What to do with it is in [scale.md](scale.md).

A statement that is not named here is given the shard key, or a column that is looked up, of every table that it names, and stays
in the shards of those keys; a column by which many rows are found (`high_id`, a member's `user_id`) leads to the shards of them all.
*join*: it goes on from there to the shards of the rows that it finds. *all*: it asks every shard.
Exports and erasures of a person, which the stores' `personal.py` makes statements for, ask every shard where a column that holds
the person's id is not the key."""

_DYNAMIC = {"{which}": "date = %s AND user_id IN (%s)", "{pairs}": "(low_id = %s AND high_id = %s)"}
"""What `step.store.keys.stretches` and `Friendships.list_of` put in."""


PEOPLE = frozenset({"user_id", "low_id", "high_id", "blocker_id", "blocked_id", "reporter_id", "actor_id"})
"""Columns with a person's id that keys begin with. It is as old as the person: people of all ages act at any moment."""

_RANDOM = frozenset({"avatar_id"})
"""Ids that are not in the order of time, because addresses are made of them."""

_FEW = frozenset({"state", "destination"})
"""Columns of few values that are text; the others are TINYINT."""

_ENDS = """
## Keys that grow at their end

What they begin with (after columns of few values) is a time, a date, a number that the database counts, or an id that is not a
person's: ids are UUIDv7, in the order of time. So what everybody writes at one moment is side by side. Shards by the keys above
spread it; ranges of the key itself, as TiDB's, do not. Of groups only new ones are there: old ones gain members at any moment.

| | primary keys | other indexes |
|---|---|---|"""


@dataclass
class Table:
    """A table as the migrations leave it."""

    columns: dict[str, str] = field(default_factory=dict)
    """Their types."""
    primary: tuple[str, ...] = ()
    unique: dict[str, tuple[str, ...]] = field(default_factory=dict)
    indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """All but the primary key, the unique ones too."""
    counted: bool = False
    """Whether the database numbers its rows (AUTO_INCREMENT)."""


@dataclass(frozen=True)
class Statement:
    """A statement of a store."""

    place: str
    """Module and name."""
    text: str


@dataclass(frozen=True)
class Placed:
    """Where the VSchema puts a table."""

    key: str
    """The column that decides the shard; empty for a table that is whole on every shard, or on one."""
    lookups: tuple[tuple[str, ...], ...] = ()
    """Other columns by which the shard is found."""


def schema(service: str) -> dict[str, Table]:
    """The tables of *service*, by name, after all its migrations."""
    tables: dict[str, Table] = {}
    for path in sorted((FIREWALKER / service / "store" / "schema").glob("*.sql")):
        text = re.sub(r"--.*", "", path.read_text())
        for statement in re.split(r";\s*(?:\n|$)", text):
            if made := re.match(r"\s*CREATE TABLE (\w+)\s*\((.*)\)[^)]*\Z", statement, re.DOTALL):
                _define(tables.setdefault(made[1], Table()), made[2])
            elif changed := re.match(r"\s*ALTER TABLE (\w+)\s+(.*)", statement, re.DOTALL):
                _define(tables[changed[1]], changed[2])
            elif moved := re.match(r"\s*RENAME TABLE (\w+) TO (\w+)", statement):
                tables[moved[2]] = tables.pop(moved[1])
    return tables


def statements(service: str) -> list[Statement]:
    """The statements of *service*'s stores."""
    found: list[Statement] = []
    for path in sorted((FIREWALKER / service / "store").glob("*.py")):
        found += _statements_in(path, path.stem)
    return found


def _of_runtime(table: str) -> Iterator[Statement]:
    """The statements of a table of the runtime."""
    place = _SHARED[table]
    for path in sorted(place.glob("*.py")) if place.is_dir() else [place]:
        yield from _statements_in(path, f"runtime.{path.stem}")


def placements(service: str) -> dict[str, Placed]:
    """What `deploy/vitess` says of each table of *service*."""
    made: dict[str, Placed] = {}
    for path in (HERE / "vitess" / f"{service}.json", HERE / "vitess" / f"{service}_whole.json"):
        vschema = json.loads(path.read_text())
        for name, table in vschema["tables"].items():
            if table.get("type") == "sequence":
                continue  # what numbers a sharded table's rows; not one of the service's own
            if not vschema.get("sharded"):
                made[name] = Placed("")
                continue
            first, *others = table["column_vindexes"]
            made[name] = Placed(first["column"], tuple(tuple(_columns_of(other)) for other in others))
    return made


def grows_at_its_end(table: Table, columns: Sequence[str]) -> bool:
    """Whether rows that are added at one moment are side by side in this key of *table*."""
    for column in columns:
        kind = table.columns[column]
        if kind.startswith("TINYINT") or column in _FEW:
            continue
        if column == "group_id":
            # People of all ages join groups of all ages; only new groups are side by side.
            return len(columns) == 1
        return kind.startswith(("DATE", "BIGINT")) or (kind == "BINARY(16)" and column not in PEOPLE | _RANDOM)
    return False


def ends(service: str) -> tuple[list[str], list[str]]:
    """Tables of *service* whose primary key grows at its end, and other indexes that do, as `table.index`."""
    tables = sorted(schema(service).items())
    return (
        [name for name, table in tables if grows_at_its_end(table, table.primary)],
        [
            f"{name}.{index}"
            for name, table in tables
            for index, columns in table.indexes.items()
            if grows_at_its_end(table, columns)
        ],
    )


class Reach(Enum):
    """How far a statement goes."""

    OWN = "the shards of the keys that it is given"
    JOIN = "from there to the shards of the rows found"
    ALL = "every shard"


def reaches(statement: Statement, tables: Mapping[str, Table], placed: Mapping[str, Placed]) -> dict[str, Reach]:
    """How far *statement* goes for each of the *tables* that it names."""
    found: dict[str, Reach] = {}
    for part in re.split(r"\bUNION(?: ALL)?\b", statement.text):
        named = {alias: name for name, alias in _named(part) if name in tables and placed[name].key}
        for alias, how in _reached(part, named, tables, placed).items():
            name = named[alias]
            found[name] = max(found.get(name, how), how, key=list(Reach).index)
    return found


def ways(statement: Statement, tables: Mapping[str, Table], placed: Mapping[str, Placed]) -> set[str]:
    """By what *statement* finds the shards of the tables that it is given it for: `key`, `lookup`, or both."""
    found: set[str] = set()
    for part in re.split(r"\bUNION(?: ALL)?\b|\((?=\s*SELECT\b)", statement.text):
        named = {alias: name for name, alias in _named(part) if name in tables and placed[name].key}
        found |= set(_given(part, named, placed).values())
    return found


def _given(text: str, named: Mapping[str, str], placed: Mapping[str, Placed]) -> dict[str, str]:
    """The tables of which one SELECT is told the shard key or a column that is looked up, and which of the two."""
    found = {}
    for alias, name in named.items():
        if _is_given(text, name, alias, (placed[name].key,)):
            found[alias] = "key"
        elif any(_is_given(text, name, alias, columns) for columns in placed[name].lookups):
            found[alias] = "lookup"
    return found


def _reached(
    text: str, named: Mapping[str, str], tables: Mapping[str, Table], placed: Mapping[str, Placed]
) -> dict[str, Reach]:
    """The same for one SELECT, by the names that tables go by in it."""
    found = dict.fromkeys(_given(text, named, placed), Reach.OWN)
    equal = [
        (one, other)
        for match in re.finditer(r"(?<![\w.%(])([a-z_]+\.)?([a-z_]+)\s*=\s*([a-z_]+\.)?([a-z_]+)\b", text)
        for one in _owners(match[1], match[2], named, tables)
        for other in _owners(match[3], match[4], named, tables)
        if one[0] != other[0]
    ]
    for _ in named:
        for (alias, column), (other, theirs) in [*equal, *((right, left) for left, right in equal)]:
            if alias not in found and other in found and column == placed[named[alias]].key:
                together = theirs == placed[named[other]].key
                found[alias] = found[other] if together else Reach.JOIN
    for alias in named.keys() - found.keys():
        key = placed[named[alias]].key
        # Of a table that the statement makes up on its way, or worked out from another's row.
        derived = re.search(rf"\b{alias}\.{key} = (\w+)\.|\b{key} = (?:LEAST|GREATEST)\(", text)
        found[alias] = Reach.JOIN if derived and derived[1] not in named else Reach.ALL
    return found


def _owners(
    alias: str | None, column: str, named: Mapping[str, str], tables: Mapping[str, Table]
) -> list[tuple[str, str]]:
    if alias is not None:
        return [(alias[:-1], column)] if alias[:-1] in named else []
    return [(name, column) for name, table in named.items() if column in tables[table].columns]


def _define(table: Table, body: str) -> None:
    for line in _parts(body):
        part = re.sub(r"^(ADD|CHANGE|MODIFY)( COLUMN)?\s+", "", line.strip())
        if line.strip().startswith("CHANGE"):
            old, part = part.split(None, 1)
            table.columns.pop(old)
        if part.startswith("DROP"):
            for indexes in (table.indexes, table.unique):
                indexes.pop(part.split()[-1], None)
            continue
        if key := re.match(r"(PRIMARY|UNIQUE)? ?KEY\s*(\w+)?\s*\(([^)]*)\)", part):
            names = tuple(name.strip() for name in key[3].split(","))
            if key[1] == "PRIMARY":
                table.primary = names
            else:
                table.indexes[key[2]] = names
                if key[1] == "UNIQUE":
                    table.unique[key[2]] = names
        elif column := re.match(r"(\w+)\s+([A-Z]+(?:\([^)]*\))?(?: UNSIGNED)?)", part):
            table.columns[column[1]] = column[2]
            table.counted |= "AUTO_INCREMENT" in part


def _parts(body: str) -> Iterator[str]:
    depth, part = 0, ""
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield part
            part = ""
        else:
            part += letter
    yield part


def _statements_in(path: Path, module: str) -> Iterator[Statement]:
    """The statements among a module's constants; of those that others are made from, the others."""
    constants: dict[str, str] = {}
    templates: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, constants, templates)
            if text is not None:
                constants[node.targets[0].id] = text
    for name, text in constants.items():
        if name not in templates and _STATEMENT.match(text):
            for dynamic, meant in _DYNAMIC.items():
                text = text.replace(dynamic, meant)  # noqa: PLW2901 - the same statement
            yield Statement(f"{module}.{name.lstrip('_')}", text)


def _text(node: ast.expr, constants: Mapping[str, str], templates: set[str]) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                constants.get(value.value.id, "{}")
                if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name)
                else (str(value.value) if isinstance(value, ast.Constant) else "{}")
                for value in values
            )
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="format"), keywords=keywords) if (
            name in constants
        ):
            templates.add(name)
            text = constants[name]
            for keyword in keywords:
                meant = _text(keyword.value, constants, templates)
                text = text.replace(f"{{{keyword.arg}}}", meant if meant is not None else "{}")
            return text
    return None


def _columns_of(vindex: Mapping[str, Any]) -> Sequence[str]:
    return vindex["columns"] if "columns" in vindex else [vindex["column"]]


def _named(text: str) -> Iterator[tuple[str, str]]:
    """Tables that *text* names, each with the name that it goes by there."""
    for found in _NAMED.finditer(text):
        yield found[1], found[2] or found[1]


def _is_given(text: str, table: str, alias: str, columns: Sequence[str]) -> bool:
    """Whether *text* is told all *columns* of *table*: inserted, or compared with values."""
    if inserted := re.match(rf"\s*INSERT INTO {table}\s*\(([^)]*)\)", text):
        names = re.split(r"[\s,]+", inserted[1])
        return all(column in names for column in columns)
    names = [rf"(?<![\w.])(?:{alias}\.)?{column}" for column in columns]
    return all(re.search(rf"{name}\s*(?:=\s*%|IN\s*\()|\([^()]*{name}\b[^()]*\)\s*IN\s*\(", text) for name in names)


def _page() -> Iterator[str]:
    yield _HEAD
    skipping: list[str] = []
    for service in SERVICES:
        tables, placed, every = schema(service), placements(service), statements(service)
        for name in tables.keys() & _SHARED.keys():
            every += _of_runtime(name)
        yield f"\n## {service}\n"
        yield "| table | shard key | also found by | statements that go further |"
        yield "|---|---|---|---|"
        for name in sorted(tables):
            yield _line(name, tables, placed, every)
        skipping += [f"`{service}.{one.place}`" for one in every if "SKIP LOCKED" in one.text]
    yield _ENDS
    for service in SERVICES:
        yield f"| {service} | {' | '.join(', '.join(f'`{name}`' for name in names) for names in ends(service))} |"
    yield f"\nStatements with `SKIP LOCKED`: {', '.join(sorted(set(skipping)))}."


def _line(name: str, tables: Mapping[str, Table], placed: Mapping[str, Placed], every: Iterable[Statement]) -> str:
    where = placed[name]
    if not where.key:
        return f"| `{name}` | none: whole, in one place | | |"
    lookups = ", ".join("`" + " + ".join(columns) + "`" for columns in where.lookups)
    far: dict[Reach, list[str]] = {}
    for statement in every:
        far.setdefault(reaches(statement, tables, placed).get(name, Reach.OWN), []).append(f"`{statement.place}`")
    words = [f"{how.name.lower()}: {', '.join(sorted(far[how]))}" for how in (Reach.JOIN, Reach.ALL) if how in far]
    return f"| `{name}` | `{where.key}` | {lookups} | {'; '.join(words)} |"


def main() -> int:
    """Write the page, or with --check compare it."""
    page = "\n".join(_page()) + "\n"
    path = HERE / "sharding.md"
    if "--check" not in sys.argv[1:]:
        path.write_text(page)
        return 0
    if path.read_text() == page:
        return 0
    print("deploy/sharding.md is not what deploy/sharding.py writes: run it, and read what changed", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
