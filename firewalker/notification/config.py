"""Settings of the notification service: ``FIREWALKER_NOTIFICATION_…``."""

from pydantic_settings import SettingsConfigDict

from firewalker.notification.domain.text import Locale
from firewalker.runtime.config import Addresses, Port, ServiceConfig


class NotificationConfig(ServiceConfig):
    """See `ServiceConfig` for what all services share."""

    model_config = SettingsConfigDict(env_prefix="FIREWALKER_NOTIFICATION_")

    port: Port = 50053
    """Public gRPC port."""

    internal_port: Port = 50063
    """Port on which the other services deliver their events."""

    user_address: Addresses = "127.0.0.1:50061"
    """Internal port of the user service, ``host:port``, or several with commas between. If it is wrong, nobody can be asked
    about sessions while Redis is away."""

    locale: Locale = Locale.EN
    """Language of titles and bodies: ``en`` or ``ko``. The facts behind them are in ``params`` either way."""
