"""The commands of deploy/README.md's first deployment can be typed as they stand, one after the other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def commands() -> list[str]:
    text = (ROOT / "deploy" / "README.md").read_text()
    section = text.split("## From an empty account\n")[1].split("\n## ")[0].replace("\\\n", " ")
    found = re.findall(r"^ *\$ (.+)$", section, flags=re.MULTILINE)
    assert len(found) > 8
    return found


def test_every_command_starts_where_the_one_before_left_off(commands: list[str]) -> None:
    for command in commands:
        assert not re.search(r"(^|[;&] *)cd ", command), (
            command
        )  # only within parentheses, which leave the shell where it is
        for path in re.findall(r"(?<![\w/~.])(?:deploy|\.venv)/[\w./-]+", command):
            assert (ROOT / path).exists(), command


def test_every_deployment_is_told_what_nobody_can_guess(commands: list[str]) -> None:
    deployments = [command for command in commands if "cdk@2 deploy" in command]
    assert len(deployments) == 2
    for command in deployments:
        assert command.startswith("(cd deploy/aws && ")
        for choice in ("environment", "certificate_arn", "web_url", "mail_from"):
            assert f"-c {choice}=" in command, choice


def test_the_region_is_said_before_aws_is_asked(commands: list[str]) -> None:
    (said,) = [number for number, command in enumerate(commands) if command.startswith("export AWS_REGION=")]
    (asked, *_) = [number for number, command in enumerate(commands) if re.search(r"\baws |aws-cdk", command)]
    assert said < asked
