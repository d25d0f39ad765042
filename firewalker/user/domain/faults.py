"""The user service's refusals. Their reasons are part of the public contract and never change."""

from firewalker.kernel.faults import Fault, Kind


class BadCredentials(Fault):
    """No sign-in with this e-mail and password. Deliberately says no more than that."""

    kind = Kind.UNAUTHENTICATED
    reason = "BAD_CREDENTIALS"
    message = "The e-mail address or the password is wrong."


class RefreshTokenInvalid(Fault):
    """The refresh token is malformed, forged or expired, or its session has ended."""

    kind = Kind.UNAUTHENTICATED
    reason = "REFRESH_TOKEN_INVALID"
    message = "The refresh token is not valid; sign in again."


class RefreshTokenReused(Fault):
    """A refresh token from before the last confirmed one was presented: somebody has a copy. The session has ended."""

    kind = Kind.UNAUTHENTICATED
    reason = "REFRESH_TOKEN_REUSED"
    message = "The refresh token was already replaced; the session has been ended. Sign in again."


class SessionNotFound(Fault):
    """The caller has no such session."""

    kind = Kind.NOT_FOUND
    reason = "SESSION_NOT_FOUND"
    message = "There is no such session."


class MailTokenInvalid(Fault):
    """The token is not from one of our mails, or not good for this, or not any more."""

    kind = Kind.INVALID
    reason = "MAIL_TOKEN_INVALID"
    message = "The token from the mail is not valid; ask for another mail."


class EmailTaken(Fault):
    """Another account has this e-mail address."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"
    message = "There is already an account with this e-mail address."


class NicknameTaken(Fault):
    """Another user has this nickname, or one that looks like it."""

    kind = Kind.ALREADY_EXISTS
    reason = "NICKNAME_TAKEN"
    message = "The nickname, or one that looks like it, is taken."


class PasswordTooShort(Fault):
    """Fewer than 8 code points."""

    kind = Kind.INVALID
    reason = "PASSWORD_TOO_SHORT"
    message = "The password must have at least 8 characters."


class PasswordTooLong(Fault):
    """More than 128 code points."""

    kind = Kind.INVALID
    reason = "PASSWORD_TOO_LONG"
    message = "The password must have at most 128 characters."


class PasswordTooCommon(Fault):
    """One of the first that anybody would try, for anybody or for this user."""

    kind = Kind.INVALID
    reason = "PASSWORD_TOO_COMMON"
    message = "The password is too easy to guess."


class UserNotFound(Fault):
    """There is no such user."""

    kind = Kind.NOT_FOUND
    reason = "USER_NOT_FOUND"
    message = "There is no such user."


class CannotBefriendSelf(Fault):
    """Caller and addressee are the same user."""

    kind = Kind.INVALID
    reason = "CANNOT_BEFRIEND_SELF"
    message = "Users cannot be friends with themselves."


class FriendRequestNotFound(Fault):
    """The other user has not asked, or asked and took it back."""

    kind = Kind.NOT_FOUND
    reason = "FRIEND_REQUEST_NOT_FOUND"
    message = "There is no pending friend request from this user."


class FriendLimitReached(Fault):
    """One of the two has 500 friends."""

    kind = Kind.PRECONDITION
    reason = "FRIEND_LIMIT_REACHED"
    message = "One of the two users has as many friends as anybody can have."


class OutgoingRequestLimitReached(Fault):
    """The caller has 100 open requests."""

    kind = Kind.PRECONDITION
    reason = "OUTGOING_REQUEST_LIMIT_REACHED"
    message = "Too many of your friend requests are waiting for an answer."


class IncomingRequestLimitReached(Fault):
    """500 requests wait for the addressee."""

    kind = Kind.PRECONDITION
    reason = "INCOMING_REQUEST_LIMIT_REACHED"
    message = "Too many friend requests are waiting for this user."


class DailyRequestLimitReached(Fault):
    """The caller has sent 30 requests in the last 24 hours. `retry_after` tells when the first of them is a day old."""

    kind = Kind.EXHAUSTED
    reason = "DAILY_REQUEST_LIMIT_REACHED"
    message = "Too many friend requests were sent in the last 24 hours."
