"""Settings of the notification service: ``FIREWALKER_NOTIFICATION_…``."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from firewalker.notification.domain.preferences import Locale
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
    """Language of titles and bodies for users of whom none is known, neither chosen nor their device's: ``en`` or ``ko``.
    The facts behind them are in ``params`` either way."""

    device_unseen_days: int = Field(default=60, ge=1, le=270)
    """After so many days without a start of the app a device is not pushed to any more. Shorter, and people who walk
    without looking lose their pushes; longer, and more of them go to phones that nobody uses."""
