"""Identities of providers on the wire, for `AuthDoor`."""

from typing import Final

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.user.domain.provider import Link, Provider
from firewalker.user.rpc.fields import Fields

_PROVIDERS: Final = {
    pb.LinkedProviderProvider.KAKAO: Provider.KAKAO,
    pb.LinkedProviderProvider.GOOGLE: Provider.GOOGLE,
    pb.LinkedProviderProvider.APPLE: Provider.APPLE,
}
_NAMES: Final = {provider: name for name, provider in _PROVIDERS.items()}


def provider_of(fields: Fields, told: pb.LinkedProviderProvider) -> Provider:
    """The provider in the field `provider`."""
    return fields.read("provider", _PROVIDERS.get(told), "must be KAKAO, GOOGLE or APPLE")


def linked_provider(link: Link) -> pb.LinkedProvider:
    """A linked identity, as its owner sees it."""
    identity = link.identity
    email = "" if identity.email is None else identity.email.text
    return pb.LinkedProvider(provider=_NAMES[identity.provider], email=email, link_time=link.create_time)
