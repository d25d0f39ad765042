"""DeviceService: which devices are pushed to, over the wire."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.notification import v1 as pb
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.principal import principal
from firewalker.kernel.texts import is_printable
from firewalker.notification.domain.device import (
    MAX_FID,
    MAX_LABEL,
    MAX_LOCALE,
    MAX_TOKEN,
    MAX_VERSION,
    Device,
    Platform,
    Registration,
    Target,
    is_installation_id,
    is_registration,
)
from firewalker.notification.usecases.devices import Devices, NewDevice
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, READS


class DeviceDoor(pb.DeviceServiceBase):
    """The devices of whoever calls."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "RegisterDevice": Rule(Caller.USER, rate=CHANGES),
        "UnregisterDevice": Rule(Caller.USER, rate=CHANGES),
        "ListDevices": Rule(Caller.USER, priority=Priority.READ, rate=READS),
    }

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    async def register_device(self, message: pb.RegisterDeviceRequest) -> pb.RegisterDeviceResponse:
        """See the proto."""
        caller = principal()
        device = await self._devices.register(caller.user_id, caller.session_id, _told(message))
        return pb.RegisterDeviceResponse(device=_render(device))

    async def unregister_device(self, message: pb.UnregisterDeviceRequest) -> pb.UnregisterDeviceResponse:
        """See the proto."""
        if violations := _installation_faults(message.installation_id):
            raise InvalidRequest(violations=violations)
        await self._devices.unregister(principal().user_id, message.installation_id)
        return pb.UnregisterDeviceResponse()

    async def list_devices(self, message: pb.ListDevicesRequest) -> pb.ListDevicesResponse:  # noqa: ARG002 - it has no fields
        """See the proto."""
        return pb.ListDevicesResponse(devices=[_render(d) for d in await self._devices.list(principal().user_id)])


def _told(message: pb.RegisterDeviceRequest) -> NewDevice:
    violations = _installation_faults(message.installation_id)
    for field, text, longest in (
        ("app_version", message.app_version, MAX_VERSION),
        ("locale", message.locale, MAX_LOCALE),
    ):
        if len(text) > longest or not is_printable(text):
            violations.append(Violation(field, f"must have at most {longest} characters, all of them printable"))
    token, fid = message.registration_token, message.fid
    if token is not None:
        violations += _registration_faults("registration_token", token, MAX_TOKEN)
    elif fid is not None:
        violations += _registration_faults("fid", fid, MAX_FID)
    else:
        violations += [
            Violation(name, "one of the two must be given", "REQUIRED") for name in ("registration_token", "fid")
        ]
    platform = Platform.__members__.get(pb.DevicePlatform(message.platform).name or "")
    if platform is None:
        violations.append(Violation("platform", "must be ANDROID, IOS or WEB"))
    if violations or platform is None:
        raise InvalidRequest(violations=violations)
    registration = Registration(Target.FID, fid or "") if token is None else Registration(Target.TOKEN, token)
    return NewDevice(message.installation_id, platform, registration, message.app_version, message.locale)


def _installation_faults(text: str) -> list[Violation]:
    rule = f"must have at most {MAX_LABEL} characters, all of them printable, and no space at an end"
    return _faults("installation_id", text, rule, good=is_installation_id(text))


def _registration_faults(field: str, text: str, longest: int) -> list[Violation]:
    rule = f"must have at most {longest} characters of ASCII, no quotes or backslashes among them"
    return _faults(field, text, rule, good=is_registration(text, longest))


def _faults(field: str, text: str, rule: str, *, good: bool) -> list[Violation]:
    if not text:
        return [Violation(field, "must be given", "REQUIRED")]
    return [] if good else [Violation(field, rule)]


def _render(device: Device) -> pb.Device:
    return pb.Device(
        installation_id=device.installation_id,
        platform=pb.DevicePlatform[device.platform.value],
        app_version=device.app_version,
        locale=device.locale,
        register_time=device.register_time,
        last_seen_time=device.last_seen_time,
    )
