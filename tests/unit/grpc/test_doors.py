"""A door and its proto must agree before anything is served; every message passes the gate."""

from typing import Any, ClassVar

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, EventSinkServiceBase
from firewalker.gen.pb.firewalker.user.v1 import (
    AuthServiceBase,
    LoginRequest,
    LoginResponse,
    SignUpRequest,
    UserServiceBase,
)
from firewalker.kernel.faults import InvalidRequest, MalformedMessage
from firewalker.runtime.grpc.doors import DoorError, Method, methods_of
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.messages import internal_descriptors, message_class, public_descriptors
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.required import RequiredFields
from firewalker.runtime.grpc.server import GrpcServer
from tests.support.partial_doors import part_of


class Sink(EventSinkServiceBase):
    POLICY: ClassVar[Any] = {"Deliver": Rule(Caller.SERVICE)}

    async def deliver(self, message: DeliverRequest) -> DeliverResponse:
        del message
        return DeliverResponse()


@part_of("firewalker.user.v1.AuthService")
class Auth(AuthServiceBase):
    POLICY: ClassVar[Any] = dict.fromkeys(("SignUp", "Login", "Refresh", "Logout"), Rule(Caller.PUBLIC))

    async def sign_up(self, message: SignUpRequest) -> Any: ...

    async def login(self, message: LoginRequest) -> LoginResponse: ...  # type: ignore[empty-body]

    async def refresh(self, message: Any) -> Any: ...

    async def logout(self, message: Any) -> Any: ...


@part_of("firewalker.step.v1.StepService")
class Steps:
    SERVICE: ClassVar = "firewalker.step.v1.StepService"
    POLICY: ClassVar[Any] = {"TrackSteps": Rule(Caller.USER), "RecordSteps": Rule(Caller.USER)}

    async def track_steps(self, stream: Any) -> None: ...

    async def record_steps(self, request: Any) -> Any: ...


def method(door: object, name: str) -> Method:
    return next(found for found in methods_of(door, internal_descriptors()) if found.name == name)


def test_a_hot_door_has_the_methods_of_its_proto() -> None:
    found = {
        m.name: (m.path, m.client_streaming, m.server_streaming) for m in methods_of(Steps(), public_descriptors())
    }
    assert {name: found[name] for name in ("TrackSteps", "RecordSteps")} == {
        "TrackSteps": ("/firewalker.step.v1.StepService/TrackSteps", True, True),
        "RecordSteps": ("/firewalker.step.v1.StepService/RecordSteps", False, False),
    }


@pytest.mark.requirement("AUTH-08")
@pytest.mark.parametrize(
    "policy", [None, {}, {"Deliver": "anybody"}, {"Deliver": Rule(Caller.SERVICE), "Other": Rule(Caller.USER)}]
)
def test_a_door_without_a_rule_for_each_method_is_refused(policy: Any) -> None:
    door = type("Door", (Sink,), {"POLICY": policy})()
    with pytest.raises(DoorError, match="POLICY"):
        methods_of(door, internal_descriptors())


def test_a_door_that_lacks_a_method_is_refused() -> None:
    half = type("Half", (UserServiceBase,), {"POLICY": {"GetMe": Rule(Caller.USER)}})
    with pytest.raises(DoorError, match="does not implement"):
        methods_of(half(), internal_descriptors())
    hot = type("Hot", (), {"SERVICE": Steps.SERVICE, "POLICY": Steps.POLICY, "record_steps": None})
    with pytest.raises(DoorError, match="does not implement"):
        methods_of(hot(), internal_descriptors())


def test_what_is_no_door_is_refused() -> None:
    with pytest.raises(DoorError):
        methods_of(object(), internal_descriptors())
    with pytest.raises(DoorError, match="descriptor set"):
        methods_of(type("Hot", (), {"SERVICE": "no.Such", "POLICY": {}})(), internal_descriptors())


@pytest.mark.requirement("AUTH-08")
def test_a_server_whose_edge_cannot_tell_who_calls_does_not_start() -> None:
    with pytest.raises(DoorError, match="USER"):
        GrpcServer([Steps()], Edge())
    with pytest.raises(DoorError, match="SERVICE"):
        GrpcServer([Sink()], Edge(), internal=True)


@pytest.mark.requirement("AUTH-08")
def test_internal_methods_have_no_place_on_the_public_port_nor_the_other_way_round() -> None:
    with pytest.raises(DoorError):
        GrpcServer([Sink()], Edge())
    with pytest.raises(DoorError, match="no place"):
        GrpcServer([Auth()], Edge(), internal=True)


def test_a_service_cannot_be_served_twice() -> None:
    with pytest.raises(DoorError, match="twice"):
        GrpcServer([Auth(), Auth()], Edge())


class TestGate:
    def test_what_upb_refuses_is_malformed(self) -> None:
        parse = method(Sink(), "Deliver").parse
        for data in (b"\xff", b"\x0a\x05ab", b"\x0f", b"\x00\x00", b"\x0a\x03\x0a\x01\xff", b"\x0a\x02\x08\x01"):
            if data == b"\x0a\x02\x08\x01":  # a varint where text belongs: an unknown field to upb
                assert parse(data) == DeliverRequest.parse(b"\x0a\x00")
                continue
            with pytest.raises(MalformedMessage):
                parse(data)

    def test_deep_nesting_is_malformed(self) -> None:
        with pytest.raises(MalformedMessage):
            method(Sink(), "Deliver").parse(b"\xfb\x01" * 2000 + b"\xfc\x01" * 2000)

    def test_unknown_fields_are_dropped(self) -> None:
        request = method(Steps(), "RecordSteps").parse(b"\xf8\x01\x07")
        assert len(UnknownFieldSet(request)) == 0
        login = LoginRequest(email="a", password="b").SerializeToString()
        parsed = method(Auth(), "Login").parse(login + b"\xf8\x01\x07")
        assert parsed == LoginRequest(email="a", password="b")
        assert not parsed._unknown_fields

    def test_every_missing_required_field_is_told_at_once(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            method(Auth(), "SignUp").parse(SignUpRequest(email="a@b").SerializeToString())
        assert [v.field for v in refused.value.violations] == ["password", "nickname", "time_zone"]
        assert {v.reason for v in refused.value.violations} == {"REQUIRED"}

    def test_a_hot_door_judges_the_elements_of_a_batch_itself(self) -> None:
        request_class = message_class("firewalker.step.v1.RecordStepsRequest")
        data = request_class(readings=[{}, {"device_id": "d"}]).SerializeToString()
        assert len(method(Steps(), "RecordSteps").parse(data).readings) == 2

    def test_elsewhere_required_fields_are_looked_for_inside_lists(self) -> None:
        descriptor = internal_descriptors().message("firewalker.step.v1.RecordStepsRequest")
        request = message_class("firewalker.step.v1.RecordStepsRequest")(readings=[{"device_id": "d", "date": "x"}, {}])
        with pytest.raises(InvalidRequest) as refused:
            RequiredFields(descriptor).check(request)
        assert [v.field for v in refused.value.violations] == ["readings[1].device_id", "readings[1].date"]
