"""Settings of the user service: ``FIREWALKER_USER_…``."""

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from pathlib import Path
from typing import Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from firewalker.runtime.config import Addresses, ConfigError, Port, ServiceConfig
from firewalker.user.domain.refresh_token import ROOT_KEY_BYTES


class UserConfig(ServiceConfig):
    """See `ServiceConfig` for what all services share."""

    model_config = SettingsConfigDict(env_prefix="FIREWALKER_USER_")

    port: Port = 50051
    """Public gRPC port."""

    internal_port: Port = 50061
    """Port for the other services."""

    access_token_key_file: FilePath
    """Ed25519 private key that signs access tokens, PEM of PKCS#8. Its public side has to be in every service's
    ``jwks_file``, or nobody can use what is signed. Read again when it is replaced. No other service needs it; whoever has it can be anybody."""

    refresh_key_file: FilePath
    """Keys that refresh tokens are derived from: lines of 32 bytes as base64url, the newest first. Removing a line signs
    out whoever still holds a token of it (at most 30 days after a newer line was put before it, nobody does)."""

    step_address: Addresses = "127.0.0.1:50062"
    """Internal port of the step service, ``host:port``, or several with commas between. If it is wrong, friends
    do not see each other's steps: events pile up in the outbox."""

    notification_address: Addresses = "127.0.0.1:50063"
    """Internal port of the notification service, ``host:port``, or several. If it is wrong, nobody is notified:
    events pile up."""

    set_aside_days: int = Field(default=90, ge=14, le=3_650)
    """So old become events that a receiver would not take, and that nobody had delivered again (``firewalker outbox``). Then
    they are dropped, and the two services disagree for good: shorter than you take to mend a receiver, and facts are lost."""

    avatar_folder: Path | None = None
    """Folder for pictures, which the service then serves itself on ``media_port``: for one machine. Without it and without a
    bucket nobody can have a picture."""

    media_port: Port = 0
    """HTTP port of the pictures in ``avatar_folder``."""

    avatar_bucket: str | None = None
    """S3 bucket for pictures, instead of a folder. Clients put uploads there themselves, below ``uploads/``, where a
    lifecycle rule should remove what is a day old; ``avatars/`` is for the CDN. The service has to be allowed
    ``s3:ListBucket``, or it takes a missing upload for a storage that is away."""

    avatar_region: str | None = None
    """The bucket's region; without it what AWS's tools are set to."""

    avatar_endpoint: str | None = None
    """Another server than AWS's, with the same API."""

    avatar_url: str = Field(default="http://127.0.0.1:8081/avatars", pattern=r"^https?://[!-~]+[^/]$")
    """What links of pictures begin with: the CDN's address of ``avatars/``, or of ``media_port`` and ``/avatars``."""

    providers_file: FilePath | None = None
    """Whose identities people may sign in with, and for which apps of yours: JSON such as ``{"GOOGLE": {"audiences":
    ["…apps.googleusercontent.com"]}, "APPLE": {"audiences": ["org.example.app"]}, "KAKAO": {"audiences": ["…"]}}``.
    Without it nobody's; with a wrong audience every id_token of that provider is refused."""

    mail_url: SecretStr | None = None
    """Where mails go: ``smtps://user:password@host`` or ``smtp://…``, which asks for STARTTLS unless it ends in
    ``?tls=off``. Without it, mails become files in ``mail_folder``; one of the two has to be set."""

    mail_folder: Path | None = None
    """Folder for mails that are not to be sent; nobody but the readers of this folder gets them."""

    mail_from: str = Field(default="Firewalker <no-reply@firewalker.invalid>", pattern=r"^[^\r\n]+@[^\r\n@]+$")
    """Sender of all mails. Its domain has to let your server send for it (SPF, DKIM), or nothing arrives."""

    link_url: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://\S+[^/\s]$")
    """What links in mails begin with: the web side of the product, which has the pages ``/verify-email`` and
    ``/reset-password``. They find the token behind the ``#``."""

    invite_link: str = Field(default="http://127.0.0.1:8080/?invite=", pattern=r"^https?://[!-~]{1,200}$")
    """What the code of an invitation is put behind to make its link: an address that opens the app, or tells of it. If it
    is wrong, links and QR pictures lead nowhere; codes still work."""

    password_queue: int = Field(default=32, ge=1, le=1_000)
    """Most sign-ins and sign-ups that wait for their password to be hashed; the next is told to come back. Longer ones
    only help if hashes are fast enough: who waits over 2 s is refused anyway."""

    password_memory_kib: int = Field(default=19_456, ge=19_456, le=1_048_576)
    """Memory of one hash, argon2id. More makes guessing dearer, and signing in. Changed hashes are renewed at sign-in."""

    password_passes: int = Field(default=2, ge=2, le=10)
    """Passes of one hash over its memory; time grows in proportion."""

    @model_validator(mode="after")
    def _mails_go_somewhere(self) -> Self:
        if (self.mail_url is None) == (self.mail_folder is None):
            raise ValueError("set either mail_url or mail_folder, for mails have to go somewhere")
        if self.avatar_folder is not None and self.avatar_bucket is not None:
            raise ValueError("set either avatar_folder or avatar_bucket, for pictures go to one place")
        return self


def read_key_ring(path: Path) -> list[bytes]:
    """The keys in *path*, in the order of its lines; empty lines are not counted.

    Raises:
        ConfigError: There is none, or a line holds something else.
    """
    keys = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        try:
            key = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except Base64Error:
            key = b""
        if len(key) != ROOT_KEY_BYTES:
            raise ConfigError(f"{path}, line {number}: not a key of {ROOT_KEY_BYTES} bytes as base64url")
        keys.append(key)
    if not keys:
        raise ConfigError(f"{path}: there is no key in it")
    return keys
