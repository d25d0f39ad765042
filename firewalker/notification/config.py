"""Settings of the notification service: ``FIREWALKER_NOTIFICATION_…``."""

from pydantic import Field, FilePath
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

    locale: Locale = Locale.EN
    """Language of titles and bodies for users of whom none is known, neither chosen nor by their device or a Korean time zone: ``en`` or ``ko``.
    The facts behind them are in ``params`` either way."""

    device_unseen_days: int = Field(default=60, ge=1, le=270)
    """After so many days without a start of the app a device is not pushed to any more. Shorter, and people who walk
    without looking lose their pushes; longer, and more of them go to phones that nobody uses."""

    user_address: Addresses = "127.0.0.1:50061"
    """Internal port of the user service, ``host:port``, or several with commas between. If it is wrong, it cannot be asked
    whether people are still friends, and nothing about sessions while Redis is away: pushes about people come two minutes
    late."""

    step_address: Addresses = "127.0.0.1:50062"
    """Internal port of the step service, ``host:port``, or several. If it is wrong, it cannot be asked who leads: nobody is
    pushed that they were passed."""

    fcm_credentials: FilePath | None = None
    """Service account of the Firebase project, as Google's console makes it. Read again when the file changes. Without it
    nothing is pushed; inbox and live streams work all the same."""

    fcm_base_url: str = Field(default="https://fcm.googleapis.com", pattern=r"^https://[^/\s]+/?$")
    """Where FCM is; Google's, unless it is the emulator. With a wrong one every push waits until it is no news."""

    fcm_ca_file: FilePath | None = None
    """Certificates that FCM's is checked against, for the emulator's own authority; the system's without it."""

    fcm_in_flight: int = Field(default=64, ge=1, le=1_000)
    """Messages without an answer yet, at most. Times a second over FCM's latency is what one process sends in a second;
    above 96 there are several connections."""

    fcm_a_second: float = Field(default=8_000.0, gt=0, le=10_000)
    """Messages a second at most, of this process. All processes together must stay below the project's quota, 600 000 a
    minute; above it FCM refuses and this process slows down."""

    fcm_ramp_s: float = Field(default=60.0, ge=0, le=600)
    """Seconds from the first message to full speed, as FCM asks for. 0: at once."""

    fcm_answer_s: float = Field(default=15.0, ge=1, le=60)
    """Longest wait for the answer to one message. Whoever dies with messages under way gives them back after twice that.
    Shorter than FCM takes at its worst, some 5 s, messages are sent twice."""
