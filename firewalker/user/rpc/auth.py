"""`AuthService`: signing up, in and out."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.clock import Clock
from firewalker.kernel.days import parse_zone
from firewalker.kernel.ids import SessionId, parse_uuid
from firewalker.kernel.principal import find_principal, principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS, SIGNING_IN
from firewalker.runtime.tokens import KeyRing
from firewalker.user.domain.email import EMAIL_RULE, parse_email
from firewalker.user.domain.nickname import NICKNAME_RULE, parse_nickname
from firewalker.user.domain.password import ensure_acceptable, words_of
from firewalker.user.rpc import render
from firewalker.user.rpc.fields import ID_RULE, Fields
from firewalker.user.rpc.providers import linked_provider, provider_of
from firewalker.user.tokens import AccessTokenSigner
from firewalker.user.usecases.accounts import Accounts, SignUp
from firewalker.user.usecases.email_changes import EmailChanges
from firewalker.user.usecases.own_sessions import OwnSessions
from firewalker.user.usecases.password_changes import PasswordChanges
from firewalker.user.usecases.provider_logins import ProviderLogins, ProviderSignIn
from firewalker.user.usecases.sessions import Grant, Sessions


class AuthDoor(pb.AuthServiceBase):
    """Accounts and sessions. Among its methods are the only ones that anybody may call."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        # A password has to wait its turn and costs time: twice the ordinary deadline.
        "SignUp": Rule(Caller.PUBLIC, deadline_s=10.0, rate=SIGNING_IN, names_missing=True),
        "Login": Rule(Caller.PUBLIC, deadline_s=10.0, rate=SIGNING_IN),
        "Refresh": Rule(Caller.PUBLIC, priority=Priority.SIGN_IN, rate=SIGNING_IN),
        "Logout": Rule(Caller.PUBLIC, priority=Priority.SIGN_IN, rate=SIGNING_IN),
        "LogoutEverywhere": Rule(Caller.USER, rate=CHANGES, sensitive=True),
        "ListSessions": Rule(Caller.USER, priority=Priority.READ, rate=READS, sensitive=True),
        "RevokeSession": Rule(Caller.USER, rate=CHANGES, sensitive=True),
        "ChangePassword": Rule(Caller.USER, deadline_s=10.0, rate=CHANGES, sensitive=True),
        "RequestPasswordReset": Rule(Caller.PUBLIC, rate=SIGNING_IN),
        "ResetPassword": Rule(Caller.PUBLIC, deadline_s=10.0, rate=SIGNING_IN),
        "VerifyEmail": Rule(Caller.PUBLIC, rate=SIGNING_IN),
        "ResendVerification": Rule(Caller.USER, rate=CHANGES, sensitive=True),
        "ChangeEmail": Rule(Caller.USER, deadline_s=10.0, rate=CHANGES, sensitive=True),
        # A provider's keys may have to be fetched first.
        "LoginWithProvider": Rule(Caller.PUBLIC, deadline_s=10.0, rate=SIGNING_IN),
        "LinkProvider": Rule(Caller.USER, deadline_s=10.0, rate=CHANGES, sensitive=True),
        "UnlinkProvider": Rule(Caller.USER, rate=CHANGES, sensitive=True),
        "ListProviders": Rule(Caller.USER, priority=Priority.READ, rate=READS),
        # Shorter than the half minute that a key stands here before it signs.
        "GetKeySet": Rule(Caller.PUBLIC, priority=Priority.READ, rate=SIGNING_IN, keep_s=20),
    }

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        own_sessions: OwnSessions,
        passwords: PasswordChanges,
        emails: EmailChanges,
        providers: ProviderLogins,
        signer: AccessTokenSigner,
        keys: KeyRing,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._own_sessions = own_sessions
        self._passwords = passwords
        self._emails = emails
        self._providers = providers
        self._signer = signer
        self._keys = keys
        self._clock = clock

    async def sign_up(self, message: pb.SignUpRequest) -> pb.SignUpResponse:
        """Make an account and sign it in."""
        fields = Fields()
        zone = _zone(message.time_zone)
        form = SignUp(
            email=fields.read("email", parse_email(message.email), EMAIL_RULE, given=message.email),
            password=fields.read("password", message.password, "", given=message.password),
            nickname=fields.read("nickname", parse_nickname(message.nickname), NICKNAME_RULE, given=message.nickname),
            time_zone=fields.read("time_zone", zone, "must be an IANA time zone name", given=message.time_zone),
            client=fields.client(message.installation_id, message.device_name),
        )
        if message.password and fields.wrong:
            # Told with the rest, as far as that can be judged; where all else is right, the use case judges.
            fields.obey(lambda: ensure_acceptable(form.password, words_of(form.nickname, form.email)))
        fields.ensure_valid()
        user, grant = await self._accounts.sign_up(form)
        return pb.SignUpResponse(user=render.own_user(user), tokens=self._tokens(grant))

    async def login(self, message: pb.LoginRequest) -> pb.LoginResponse:
        """Sign in on one device."""
        fields = Fields()
        client = fields.client(message.installation_id, message.device_name)
        fields.ensure_valid()
        user, grant = await self._sessions.login(parse_email(message.email), message.password, client)
        return pb.LoginResponse(user=render.own_user(user), tokens=self._tokens(grant))

    async def refresh(self, message: pb.RefreshRequest) -> pb.RefreshResponse:
        """Exchange a refresh token."""
        return pb.RefreshResponse(tokens=self._tokens(await self._sessions.refresh(message.refresh_token)))

    async def logout(self, message: pb.LogoutRequest) -> pb.LogoutResponse:
        """End a session."""
        caller = find_principal()
        await self._sessions.logout(message.refresh_token, caller.session_id if caller else None)
        return pb.LogoutResponse()

    async def logout_everywhere(self, message: pb.LogoutEverywhereRequest) -> pb.LogoutEverywhereResponse:  # noqa: ARG002 - it has no fields
        """End all of the caller's sessions."""
        await self._own_sessions.end_everywhere(principal().user_id)
        return pb.LogoutEverywhereResponse()

    async def list_sessions(self, message: pb.ListSessionsRequest) -> pb.ListSessionsResponse:  # noqa: ARG002 - it has no fields
        """Where the caller is signed in."""
        caller = principal()
        sessions = await self._own_sessions.list(caller.user_id)
        return pb.ListSessionsResponse(sessions=[render.session(session, caller.session_id) for session in sessions])

    async def revoke_session(self, message: pb.RevokeSessionRequest) -> pb.RevokeSessionResponse:
        """End one of the caller's sessions."""
        fields = Fields()
        session_id = SessionId(fields.read("session_id", parse_uuid(message.session_id), ID_RULE))
        fields.ensure_valid()
        await self._own_sessions.revoke(principal().user_id, session_id)
        return pb.RevokeSessionResponse()

    async def change_password(self, message: pb.ChangePasswordRequest) -> pb.ChangePasswordResponse:
        """Change the caller's password."""
        await self._passwords.change(principal(), message.current_password, message.new_password)
        return pb.ChangePasswordResponse()

    async def request_password_reset(self, message: pb.RequestPasswordResetRequest) -> pb.RequestPasswordResetResponse:
        """Send a mail for setting another password, if there is such an account."""
        fields = Fields()
        email = fields.read("email", parse_email(message.email), EMAIL_RULE)
        fields.ensure_valid()
        await self._passwords.ask_for_reset(email)
        return pb.RequestPasswordResetResponse()

    async def reset_password(self, message: pb.ResetPasswordRequest) -> pb.ResetPasswordResponse:
        """Set another password by mail."""
        await self._passwords.reset(message.token, message.new_password)
        return pb.ResetPasswordResponse()

    async def verify_email(self, message: pb.VerifyEmailRequest) -> pb.VerifyEmailResponse:
        """Confirm an address."""
        await self._emails.verify(message.token)
        return pb.VerifyEmailResponse()

    async def resend_verification(self, message: pb.ResendVerificationRequest) -> pb.ResendVerificationResponse:  # noqa: ARG002 - it has no fields
        """Send the mail that confirms the caller's address once more."""
        await self._emails.resend(principal().user_id)
        return pb.ResendVerificationResponse()

    async def change_email(self, message: pb.ChangeEmailRequest) -> pb.ChangeEmailResponse:
        """Ask for another address."""
        fields = Fields()
        email = fields.read("new_email", parse_email(message.new_email), EMAIL_RULE)
        fields.ensure_valid()
        await self._emails.ask(principal(), email, message.password)
        return pb.ChangeEmailResponse()

    async def login_with_provider(self, message: pb.LoginWithProviderRequest) -> pb.LoginWithProviderResponse:
        """Sign in with a provider's identity."""
        fields = Fields()
        nickname = zone = None
        if message.nickname:
            nickname = fields.read("nickname", parse_nickname(message.nickname), NICKNAME_RULE)
        if message.time_zone:
            zone = fields.read("time_zone", _zone(message.time_zone), "must be an IANA time zone name")
        form = ProviderSignIn(
            provider=provider_of(fields, message.provider),
            id_token=message.id_token,
            nonce=message.nonce,
            nickname=nickname,
            time_zone=zone,
            client=fields.client(message.installation_id, message.device_name),
        )
        fields.ensure_valid()
        user, grant, created = await self._providers.login(form)
        return pb.LoginWithProviderResponse(user=render.own_user(user), tokens=self._tokens(grant), created=created)

    async def link_provider(self, message: pb.LinkProviderRequest) -> pb.LinkProviderResponse:
        """Let the caller sign in with a provider's identity as well."""
        fields = Fields()
        provider = provider_of(fields, message.provider)
        fields.ensure_valid()
        await self._providers.link(principal(), provider, message.id_token, message.nonce)
        return pb.LinkProviderResponse()

    async def unlink_provider(self, message: pb.UnlinkProviderRequest) -> pb.UnlinkProviderResponse:
        """Take a provider's identity off the caller's account."""
        fields = Fields()
        provider = provider_of(fields, message.provider)
        fields.ensure_valid()
        await self._providers.unlink(principal().user_id, provider)
        return pb.UnlinkProviderResponse()

    async def list_providers(self, message: pb.ListProvidersRequest) -> pb.ListProvidersResponse:  # noqa: ARG002 - it has no fields
        """The identities that the caller can sign in with."""
        links = await self._providers.list(principal().user_id)
        return pb.ListProvidersResponse(providers=list(map(linked_provider, links)))

    async def get_key_set(self, message: pb.GetKeySetRequest) -> pb.GetKeySetResponse:  # noqa: ARG002 - it has no fields
        """The public keys of access tokens."""
        found = self._keys.all(self._clock.now().timestamp())
        return pb.GetKeySetResponse(keys=[render.public_key(key_id, raw) for key_id, raw in found.items()])

    def _tokens(self, grant: Grant) -> pb.Tokens:
        session = grant.session
        return render.tokens(grant, self._signer.sign(session.user_id, session.session_id, self._clock.now()))


def _zone(name: str) -> str | None:
    zone = parse_zone(name)
    return None if zone is None else zone.key
