"""What `deploy/scale.md` says of shards is true of the schema and the statements: keys, uniqueness, and who asks whom."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.vitess.__main__ import fits

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SHARDING = runpy.run_path(str(DEPLOY / "sharding.py"))
SERVICES: tuple[str, ...] = SHARDING["SERVICES"]
OWN, JOIN, ALL = SHARDING["Reach"]

UNIQUE_LOOKUP = "consistent_lookup_unique"

UNIQUE_ANYHOW = {"outbox": {("destination", "event_id")}}
"""Keys that need not hold over all shards: an event's id is that of one fact, which is about one thing, in one shard."""


def vschema(name: str) -> Any:
    return json.loads((DEPLOY / "vitess" / f"{name}.json").read_text())


def named(service: str, place: str) -> Any:
    """The statement of a store by its module and name."""
    return next(statement for statement in SHARDING["statements"](service) if statement.place == place)


def test_the_page_is_as_its_program_writes_it() -> None:
    subprocess.run([sys.executable, DEPLOY / "sharding.py", "--check"], check=True, timeout=60)


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_has_its_place(service: str) -> None:
    assert set(SHARDING["schema"](service)) == set(SHARDING["placements"](service))


@pytest.mark.parametrize("service", SERVICES)
def test_keys_and_lookups_are_columns_of_their_tables(service: str) -> None:
    tables = SHARDING["schema"](service)
    for name, placed in SHARDING["placements"](service).items():
        columns = {column for way in ((placed.key,) if placed.key else (), *placed.lookups) for column in way}
        assert columns <= tables[name].columns.keys(), name


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_unique_in_a_shard_is_unique_everywhere(service: str) -> None:
    """A unique key holds in one shard only: it has the shard key in it, or a unique lookup stands for it."""
    sharded = vschema(service)
    for name, table in SHARDING["schema"](service).items():
        if name not in sharded["tables"]:
            continue
        key, *others = sharded["tables"][name]["column_vindexes"]
        looked_up = [
            set(other.get("columns", [other.get("column")]))
            for other in others
            if sharded["vindexes"][other["name"]]["type"] == UNIQUE_LOOKUP
        ]
        assert table.primary, name
        numbered = sharded["tables"][name].get("auto_increment", {}).get("column")
        for columns in (table.primary, *table.unique.values()):
            unique = key["column"] in columns or set(columns) in looked_up or columns == (numbered,)
            assert unique or columns in UNIQUE_ANYHOW.get(name, ()), (name, columns)


@pytest.mark.parametrize("service", SERVICES)
def test_rows_that_the_database_numbers_stay_in_one_place_or_have_a_sequence_there(service: str) -> None:
    placed, sharded = SHARDING["placements"](service), vschema(service)
    for name, table in SHARDING["schema"](service).items():
        if table.counted and placed[name].key:
            numbered = sharded["tables"][name]["auto_increment"]
            assert (numbered["column"],) == table.primary
            assert vschema(f"{service}_whole")["tables"][numbered["sequence"]] == {"type": "sequence"}


@pytest.mark.parametrize("service", SERVICES)
def test_vschemas_hold_together(service: str) -> None:
    """Every vindex is one of Vitess's and is used."""
    sharded, whole = vschema(service), vschema(f"{service}_whole")
    assert sharded["sharded"]
    assert not whole["sharded"]
    used = {vindex["name"] for table in sharded["tables"].values() for vindex in table["column_vindexes"]}
    assert used == set(sharded["vindexes"])
    for vindex in sharded["vindexes"].values():
        assert vindex["type"] in {"xxhash", "consistent_lookup", UNIQUE_LOOKUP}
        assert "owner" not in vindex or vindex["owner"] in sharded["tables"]


@pytest.mark.parametrize("service", SERVICES)
def test_lookups_are_spread_by_what_is_looked_up(service: str) -> None:
    """No lookup is in one place for everybody: its table has a shard key, the column that Vitess asks it by."""
    every = [vindex["params"] for vindex in vschema(service)["vindexes"].values() if "owner" in vindex]
    assert (DEPLOY / "vitess" / f"{service}_lookup.json").exists() is bool(every)
    if not every:
        return
    spread = vschema(f"{service}_lookup")
    assert spread["sharded"]
    assert {vindex["type"] for vindex in spread["vindexes"].values()} == {"xxhash"}
    keys = {f"{service}_lookup.{name}": table["column_vindexes"] for name, table in spread["tables"].items()}
    assert {params["table"] for params in every} == keys.keys()
    for params in every:
        # Of several columns Vitess looks up by the first alone.
        assert keys[params["table"]] == [{"column": params["from"].partition(",")[0], "name": "xxhash"}]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_looked_up_has_many_values(service: str) -> None:
    """Vitess looks up by the first column alone, and a unique lookup that finds two rows is an error."""
    sharded, tables = vschema(service), SHARDING["schema"](service)
    for vindex in sharded["vindexes"].values():
        if "owner" in vindex:
            first = vindex["params"]["from"].partition(",")[0]
            assert not tables[vindex["owner"]].columns[first].startswith("TINYINT"), first


@pytest.mark.parametrize("service", SERVICES)
def test_no_foreign_key_crosses_shards(service: str) -> None:
    schema = sorted((DEPLOY.parent / "firewalker" / service / "store" / "schema").glob("*.sql"))
    assert [path.name for path in schema if "FOREIGN KEY" in path.read_text().upper()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_statement_is_overlooked(service: str) -> None:
    found = "\n".join(statement.text for statement in SHARDING["statements"](service))
    written = [
        node.value
        for path in sorted((DEPLOY.parent / "firewalker" / service / "store").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    begun = [text for text in written if re.match(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM) ", text)]
    assert begun
    assert [text for text in begun if text.partition("{")[0] not in found] == []


def test_no_upsert_assigns_a_shard_key() -> None:
    """Vitess refuses `SET key = key`, which moves nothing; it knows that `key = VALUES(key)` does not."""
    keys = {placed.key for service in SERVICES for placed in SHARDING["placements"](service).values() if placed.key}
    written = [
        node.value.partition("ON DUPLICATE KEY UPDATE")[2]
        for path in sorted((DEPLOY.parent / "firewalker").glob("**/*.py"))
        if "gen" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "ON DUPLICATE KEY UPDATE" in node.value
    ]
    assert written
    pattern = re.compile(rf"(?:^|,)\s*({'|'.join(sorted(keys))})\s*=(?!\s*VALUES\(\1\))")
    assert [text for text in written if pattern.search(text)] == []


@pytest.mark.parametrize(
    ("service", "place"),
    [
        ("step", "days.RAISE"),
        ("step", "days.ROWS"),
        ("step", "days.TOTALS"),
        ("step", "boards.FIND"),
        ("step", "goals.OF_USERS"),
        ("notification", "notifications.LIST"),
        ("notification", "recipients.ADVANCE"),
        ("user", "sessions.LOCK"),
        ("user", "accounts.FIND"),
    ],
)
def test_calls_of_every_minute_ask_no_shard_in_vain(service: str, place: str) -> None:
    reached = SHARDING["reaches"](named(service, place), SHARDING["schema"](service), SHARDING["placements"](service))
    assert reached
    assert set(reached.values()) == {OWN}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT nickname FROM walker WHERE user_id = %s", OWN),
        ("SELECT nickname FROM walker WHERE user_id IN ({places})", OWN),
        ("SELECT nickname FROM walker", ALL),
        ("SELECT nickname FROM walker WHERE nickname = %s", ALL),
        ("SELECT w.nickname FROM friend f JOIN walker w ON w.user_id = f.friend_id WHERE f.user_id = %s", JOIN),
        ("SELECT w.nickname FROM friend f JOIN walker w ON w.user_id = f.user_id WHERE f.user_id = %s", OWN),
        ("SELECT nickname FROM walker WHERE user_id = %s UNION ALL SELECT nickname FROM walker", ALL),
        ("INSERT INTO walker (user_id, nickname) VALUES", OWN),
        ("DELETE FROM walker WHERE profile_time < %s", ALL),
    ],
)
def test_how_far_a_statement_goes_is_found_out(text: str, expected: object) -> None:
    reached = SHARDING["reaches"](
        SHARDING["Statement"]("test", text), SHARDING["schema"]("step"), SHARDING["placements"]("step")
    )
    assert reached["walker"] is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT state FROM friendship WHERE low_id = %s", {"key"}),
        ("SELECT state FROM friendship WHERE high_id = %s", {"lookup"}),
        ("SELECT state FROM friendship WHERE low_id = %s AND high_id = %s", {"key"}),
        (
            "SELECT 1 FROM friendship WHERE low_id = %s UNION ALL SELECT 1 FROM friendship WHERE high_id = %s",
            {"key", "lookup"},
        ),
        (
            "SELECT (SELECT 1 FROM friendship WHERE low_id = %s), (SELECT 1 FROM friendship WHERE high_id = %s)",
            {"key", "lookup"},
        ),
        ("SELECT state FROM friendship", set()),
    ],
)
def test_what_a_statement_finds_its_shards_by(text: str, expected: set[str]) -> None:
    statement = SHARDING["Statement"]("test", text)
    assert SHARDING["ways"](statement, SHARDING["schema"]("user"), SHARDING["placements"]("user")) == expected


@pytest.mark.parametrize(
    ("furthest", "ways", "shards", "expected"),
    [
        ("own", 1, 1, True), ("own", 1, 2, False), ("own", 1, 3, False), ("own", 2, 2, True), ("own", 2, 3, False),
        ("join", 1, 1, False), ("join", 1, 2, True), ("join", 1, 3, True), ("join", 1, 4, False),
        ("all", 0, 4, True), ("all", 0, 3, False), ("all", 1, 1, False),
    ],
)  # fmt: skip
def test_a_plan_that_goes_further_than_is_told_does_not_fit(
    furthest: str,
    ways: int,
    shards: int,
    expected: bool,  # noqa: FBT001
) -> None:
    assert fits(furthest, ways, shards) is expected


@pytest.mark.parametrize(
    ("service", "table", "columns", "expected"),
    [
        ("step", "goal_reached", ("date", "user_id"), True),
        ("step", "goal_reached", ("user_id", "date"), False),
        ("notification", "push", ("state", "lane", "due_time"), True),
        ("notification", "push", ("actor_id",), False),
        ("user", "outbox", ("position",), True),
        ("user", "session", ("session_id",), True),
        ("user", "user_group", ("group_id",), True),
        ("user", "group_ban", ("group_id", "user_id"), False),
        ("user", "provider_login", ("provider", "subject"), False),
        ("user", "invite", ("code",), False),
    ],
)
def test_keys_that_grow_at_their_end_are_found_out(
    service: str,
    table: str,
    columns: tuple[str, ...],
    expected: bool,  # noqa: FBT001
) -> None:
    assert SHARDING["grows_at_its_end"](SHARDING["schema"](service)[table], columns) is expected


def test_hot_ends_are_those_of_the_schema() -> None:
    """What `scale.md` says of hot ends names every table whose primary key grows at its end, and no index that does not."""
    said = re.search(r"\*\*Hot ends\.\*\*(.*?)\n3\. ", (DEPLOY / "scale.md").read_text(), re.DOTALL)
    assert said
    mentioned = set(re.findall(r"`(\w+)`", said[1]))
    tables = {service: SHARDING["schema"](service) for service in SERVICES}
    primary = {name for service in SERVICES for name in SHARDING["ends"](service)[0]}
    assert mentioned & {name for of in tables.values() for name in of} == primary
    others = {end.partition(".")[2] for service in SERVICES for end in SHARDING["ends"](service)[1]}
    indexes = {index for of in tables.values() for table in of.values() for index in table.indexes}
    assert mentioned & indexes
    assert mentioned & indexes <= others | primary
