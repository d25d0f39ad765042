"""``python -m firewalker.notification``: serve, ``migrate``, ``check-config``."""

from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.process import main

if __name__ == "__main__":
    main(service="notification", config=NotificationConfig, app=build)
