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


class FriendNotFound(Fault):
    """The two are no friends."""

    kind = Kind.NOT_FOUND
    reason = "FRIEND_NOT_FOUND"
    message = "You have no such friend."


class UserIsBlocked(Fault):
    """The caller has blocked the user that they ask."""

    kind = Kind.PRECONDITION
    reason = "USER_IS_BLOCKED"
    message = "You have blocked this user; lift the block first."


class CannotBlockSelf(Fault):
    """Caller and user to block are the same."""

    kind = Kind.INVALID
    reason = "CANNOT_BLOCK_SELF"
    message = "Users cannot block themselves."


class BlockLimitReached(Fault):
    """The caller blocks 1 000 users."""

    kind = Kind.PRECONDITION
    reason = "BLOCK_LIMIT_REACHED"
    message = "You have blocked as many users as anybody can."


class InviteNotFound(Fault):
    """There is no such code, or it is revoked or expired."""

    kind = Kind.NOT_FOUND
    reason = "INVITE_NOT_FOUND"
    message = "There is no invitation with this code any more."


class InviteLimitReached(Fault):
    """20 codes are good at the moment."""

    kind = Kind.PRECONDITION
    reason = "INVITE_LIMIT_REACHED"
    message = "Too many invitations are open; revoke some."


class DailyCheerLimitReached(Fault):
    """The caller has cheered 20 times in the last 24 hours. `retry_after` tells when the first of them is a day old."""

    kind = Kind.EXHAUSTED
    reason = "DAILY_CHEER_LIMIT_REACHED"
    message = "Too many cheers were sent in the last 24 hours."


class DailyReportLimitReached(Fault):
    """The caller has reported 20 times in the last 24 hours. `retry_after` tells when the first of them is a day old."""

    kind = Kind.EXHAUSTED
    reason = "DAILY_REPORT_LIMIT_REACHED"
    message = "Too many reports were sent in the last 24 hours."


class CannotReportSelf(Fault):
    """Caller and user to report are the same."""

    kind = Kind.INVALID
    reason = "CANNOT_REPORT_SELF"
    message = "Users cannot report themselves."


class TimeZoneChangedToday(Fault):
    """The time zone was changed on this date already. `retry_after` tells when the date is over."""

    kind = Kind.EXHAUSTED
    reason = "TIME_ZONE_CHANGED_TODAY"
    message = "The time zone can be changed once a day."


class NotAMember(Fault):
    """The caller does not belong to the group."""

    kind = Kind.FORBIDDEN
    reason = "NOT_A_MEMBER"
    message = "Only members of the group may do this."


class GroupRoleRequired(Fault):
    """The caller's role in the group does not allow it."""

    kind = Kind.FORBIDDEN
    reason = "GROUP_ROLE_REQUIRED"
    message = "Your role in the group does not allow this."


class GroupFull(Fault):
    """The group has as many members as it may."""

    kind = Kind.PRECONDITION
    reason = "GROUP_FULL"
    message = "The group is full."


class GroupHasMoreMembers(Fault):
    """The group has more members than it is to have from now on."""

    kind = Kind.PRECONDITION
    reason = "GROUP_HAS_MORE_MEMBERS"
    message = "The group has more members than that."


class GroupLimitReached(Fault):
    """The user belongs to 50 groups."""

    kind = Kind.PRECONDITION
    reason = "GROUP_LIMIT_REACHED"
    message = "The user belongs to as many groups as anybody can."


class OwnerMustTransfer(Fault):
    """The owner wants to leave or step back while others are members."""

    kind = Kind.PRECONDITION
    reason = "OWNER_MUST_TRANSFER"
    message = "Hand the group over to another member first."


class MemberNotFound(Fault):
    """The user does not belong to the group."""

    kind = Kind.NOT_FOUND
    reason = "MEMBER_NOT_FOUND"
    message = "The group has no such member."


class BannedFromGroup(Fault):
    """The caller was sent away for good."""

    kind = Kind.FORBIDDEN
    reason = "BANNED_FROM_GROUP"
    message = "You cannot join this group any more."


class BanLimitReached(Fault):
    """1 000 users are banned from the group."""

    kind = Kind.PRECONDITION
    reason = "BAN_LIMIT_REACHED"
    message = "As many users are banned from the group as can be."


class JoinRequestNotFound(Fault):
    """The user does not wait to be let in."""

    kind = Kind.NOT_FOUND
    reason = "JOIN_REQUEST_NOT_FOUND"
    message = "This user does not ask to join the group."


class JoinRequestLimitReached(Fault):
    """500 users wait to be let in."""

    kind = Kind.PRECONDITION
    reason = "JOIN_REQUEST_LIMIT_REACHED"
    message = "Too many users are waiting to be let into the group."
