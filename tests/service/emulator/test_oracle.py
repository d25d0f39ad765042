"""The command that compares the emulator with Google: what it says without Google, and that it finds differences."""

from pathlib import Path

import pytest

from tests.fcm_oracle.__main__ import CREDENTIALS, differences, main, oracle
from tests.fcm_oracle.cases import NOBODY, RIGHT, WRONG, ours
from tests.support.emulator import google


def status_of_main() -> object:
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.requirement("FCM-24")
def test_without_a_service_account_it_says_so_and_proves_itself_on_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fcm_oracle"])
    monkeypatch.delenv(CREDENTIALS, raising=False)
    assert status_of_main() == 0
    said = capsys.readouterr().out
    assert "a second emulator stands in for Google" in said
    assert f"{len(WRONG) + len(RIGHT) + len(ours())} messages checked, 0 judged differently, 0 in other words" in said
    (tmp_path / "account.json").write_text("{}")
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "account.json"))
    assert status_of_main() == 2
    assert "could not be asked" in capsys.readouterr().err


@pytest.mark.requirement("FCM-24")
async def test_what_the_other_judges_differently_is_found(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    async with google(folders[0]) as one, google(folders[1]) as other:
        other.fcm.script.load({"targets": {"not-a-token": "unregistered", NOBODY["topic"]: "503:20"}})
        async with (
            oracle(one.url, one.credentials, one.ca_file) as emulator,
            oracle(other.url, other.credentials, other.ca_file) as stranger,
        ):
            assert await differences(emulator, emulator, [message for message, *_ in WRONG]) == []
            found = await differences(emulator, stranger, [{"token": "not-a-token"}, NOBODY, {"topic": "another"}])
    assert [difference.message for difference in found] == [{"token": "not-a-token"}, NOBODY]
    mine, theirs = found[0].seen
    assert (mine.status, theirs.status) == (400, 404)
    # Both remove the registration: what the product makes of an answer is part of it.
    assert mine.meaning.startswith("gone")
    assert theirs.meaning.startswith("gone")
    assert (found[1].seen[0].meaning[:8], found[1].seen[1].status) == ("accepted", 503)
    # Checks only.
    assert one.accepted == other.accepted == []
