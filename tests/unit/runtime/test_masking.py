"""What is shown of secret settings."""

import pytest

from firewalker.runtime.masking import masked


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("mysql://fw:geheim@db.example:3306/steps", "mysql://fw:********@db.example:3306/steps"),
        ("mysql://fw:ge@he/im@db.example/steps", "mysql://fw:********@db.example/steps"),
        ("mysql://root@localhost/steps?unix_socket=%2Frun%2Fx", "mysql://root@localhost/steps?unix_socket=%2Frun%2Fx"),
        ("mysql://h/steps?password=geheim&ssl=true", "mysql://h/steps?password=********&ssl=true"),
        ("redis://:geheim@cache:6379/0", "redis://:********@cache:6379/0"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("geheim", "********"),
        ("", "********"),
    ],
)
def test_where_it_points_is_shown_and_passwords_are_not(secret: str, shown: str) -> None:
    assert masked(secret) == shown
