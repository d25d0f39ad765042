"""A file that is read again when it changes."""

from pathlib import Path

import pytest

from firewalker.runtime import watched_file
from firewalker.runtime.watched_file import WatchedFile
from tests.support.waiting import until


async def test_whatever_is_wrong_with_a_file_the_next_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "LOOK_S", 0.01)
    path = tmp_path / "keys"
    path.write_text("old")
    read: list[str] = []

    def load(found: Path) -> None:
        read.append(found.read_text())
        if read[-1] == "broken":
            raise LookupError("no such curve")

    watched = WatchedFile(path, load)
    await watched.start()
    try:
        for text in ("broken", "whole and new"):
            (tmp_path / "next").write_text(text)
            (tmp_path / "next").rename(path)
            await until(lambda: text in read)  # noqa: B023 - awaited at once
    finally:
        await watched.stop()
