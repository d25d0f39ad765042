"""What a service stands on: files that are not what they should be are told of in a sentence."""

from pathlib import Path

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.local.secrets import make_secrets
from firewalker.runtime.config import ConfigError
from firewalker.runtime.ground import open_ground
from firewalker.runtime.grpc.credentials import read_service_token
from firewalker.step.config import StepConfig


@pytest.mark.parametrize("wrong", ["jwks_file", "service_allow_file"])
async def test_a_file_with_something_else_in_it_is_an_error_of_the_configuration(
    wrong: str, tmp_path: Path, mysql_url: str, redis_url: str
) -> None:
    secrets = make_secrets(tmp_path)
    (other := tmp_path / "other").write_text("something else")
    files = {
        "jwks_file": secrets.jwks,
        "service_token_file": secrets.service_token("step"),
        "service_allow_file": secrets.allowed_services,
        "page_key_file": secrets.page_key,
    }
    config = StepConfig.model_validate({"mysql_url": mysql_url, "redis_url": redis_url, **files, wrong: other})
    with pytest.raises(ConfigError, match=str(other)):
        await open_ground(config, SystemClock())


def test_so_is_a_token_of_several_words(tmp_path: Path) -> None:
    (path := tmp_path / "token").write_text("two words")
    with pytest.raises(ConfigError, match="one line with a service token"):
        read_service_token(path)
