"""``python -m firewalker.user``: serve, ``migrate``, ``check-config``."""

from firewalker.runtime.process import main
from firewalker.user.app import build
from firewalker.user.config import UserConfig

if __name__ == "__main__":
    main(service="user", config=UserConfig, app=build)
