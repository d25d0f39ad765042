"""The key ring of refresh tokens, as read from its file."""

import base64
from pathlib import Path

import pytest

from firewalker.runtime.config import ConfigError
from firewalker.user.config import read_key_ring

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def line(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def test_keys_are_read_in_the_order_of_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "refresh.key"
    file.write_text(f"{line(NEW)}\n\n  {line(OLD)}=\n")
    assert read_key_ring(file) == [NEW, OLD]


@pytest.mark.parametrize("text", ["", "\n", "short\n", line(OLD[:31]), f"{line(OLD)}\nnot base64 at all!", "A"])
def test_anything_else_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "refresh.key"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_key_ring(file)
    assert line(OLD) not in str(refused.value)
