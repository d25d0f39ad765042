"""Refusals about identities of providers. Like those in `faults`, their reasons never change."""

from firewalker.kernel.faults import Fault, Kind


class IdTokenInvalid(Fault):
    """The id_token is not one of the provider's, not for this app, or not good any more."""

    kind = Kind.UNAUTHENTICATED
    reason = "ID_TOKEN_INVALID"
    message = "The id_token is not valid; sign in with the provider again."


class ProviderNotOffered(Fault):
    """Signing in with this provider is not set up here."""

    kind = Kind.PRECONDITION
    reason = "PROVIDER_NOT_OFFERED"
    message = "Signing in with this provider is not offered."


class ProviderUnavailable(Fault):
    """The provider's keys cannot be read at the moment."""

    kind = Kind.UNAVAILABLE
    reason = "PROVIDER_UNAVAILABLE"
    message = "The provider cannot be reached; try again."


class ProfileRequired(Fault):
    """Nobody has this identity yet: an account needs a nickname and a time zone."""

    kind = Kind.PRECONDITION
    reason = "PROFILE_REQUIRED"
    message = "There is no account yet; give a nickname and a time zone to make one."


class ProviderLinkedElsewhere(Fault):
    """The identity is another account's."""

    kind = Kind.ALREADY_EXISTS
    reason = "PROVIDER_LINKED_ELSEWHERE"
    message = "Another account is linked to this identity."


class ProviderAlreadyLinked(Fault):
    """The account has another identity of this provider."""

    kind = Kind.ALREADY_EXISTS
    reason = "PROVIDER_ALREADY_LINKED"
    message = "The account is linked to another identity of this provider."


class ProviderNotLinked(Fault):
    """The account has no identity of this provider."""

    kind = Kind.NOT_FOUND
    reason = "PROVIDER_NOT_LINKED"
    message = "The account is not linked to this provider."


class LastSignInMethod(Fault):
    """Without it nobody could sign in to the account any more."""

    kind = Kind.PRECONDITION
    reason = "LAST_SIGN_IN_METHOD"
    message = "This is the only way to sign in; add another one first."
