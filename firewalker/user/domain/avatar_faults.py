"""Refusals about pictures. Like those in `faults`, their reasons never change."""

from firewalker.kernel.faults import Fault, Kind


class AvatarTypeUnsupported(Fault):
    """Pictures are JPEG, PNG or WebP."""

    kind = Kind.INVALID
    reason = "AVATAR_TYPE_UNSUPPORTED"
    message = "A picture must be image/jpeg, image/png or image/webp."


class AvatarTooLarge(Fault):
    """More than 5 MiB, or nothing."""

    kind = Kind.INVALID
    reason = "AVATAR_TOO_LARGE"
    message = "A picture must have 1 byte to 5 MiB."


class AvatarInvalid(Fault):
    """What was uploaded cannot be decoded, is of another type than was said, or has too many pixels."""

    kind = Kind.INVALID
    reason = "AVATAR_INVALID"
    message = "What was uploaded is no picture that can be used."


class PicturesUnavailable(Fault):
    """The storage of pictures does not answer."""

    kind = Kind.UNAVAILABLE
    reason = "PICTURES_UNAVAILABLE"
    message = "Pictures cannot be kept at the moment; try again."


class UploadNotFound(Fault):
    """The caller has no such upload, or nothing was put there in time."""

    kind = Kind.NOT_FOUND
    reason = "UPLOAD_NOT_FOUND"
    message = "There is no such upload, or nothing was put there."
