"""Handing events over: what a receiver's answer means for them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.faults import Contention, Fault, InvalidRequest, Overloaded
from firewalker.local.secrets import make_secrets
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.credentials import ServiceCredentials, read_service_token
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.outbox import SinkFailed
from firewalker.runtime.services.event_sink import EventRefused, RemoteSink

PAYLOAD = bytes(pb.Event(event_id="x", friend_requested=pb.FriendRequested(addressee_id="y")))

Open = Callable[..., AbstractAsyncContextManager[RemoteSink]]


class Receiver(pb.EventSinkServiceBase):
    POLICY: ClassVar = {"Deliver": Rule(Caller.SERVICE, max_message_bytes=1_000)}

    def __init__(self, answer: BaseException | None = None) -> None:
        self.answer = answer
        self.taken: list[pb.Event] = []

    async def deliver(self, message: pb.DeliverRequest) -> pb.DeliverResponse:
        if self.answer is not None:
            raise self.answer
        self.taken.extend(message.events)
        return pb.DeliverResponse()


@pytest.fixture
def sink_to(tmp_path: Path) -> Open:
    secrets = make_secrets(tmp_path)
    edge = Edge(services=ServiceCredentials.from_file(secrets.allowed_services))

    @asynccontextmanager
    async def opened(receiver: Receiver, token: str | None = None) -> AsyncIterator[RemoteSink]:
        async with GrpcServer([receiver], edge, internal=True) as server:
            channel = InternalChannel(
                f"127.0.0.1:{server.port}", token or read_service_token(secrets.service_token("user"))
            )
            yield RemoteSink(channel)
            channel.close()

    return opened


async def test_events_arrive_as_they_were_written_and_in_order(sink_to: Open) -> None:
    receiver = Receiver()
    async with sink_to(receiver) as sink:
        await sink.deliver([PAYLOAD, bytes(pb.Event(event_id="z"))])
    assert [event.event_id for event in receiver.taken] == ["x", "z"]
    assert bytes(receiver.taken[0]) == PAYLOAD


@pytest.mark.requirement("DLV-04")
async def test_an_answer_that_will_not_change_is_the_events_fault(sink_to: Open) -> None:
    async with sink_to(Receiver(InvalidRequest())) as sink:
        with pytest.raises(EventRefused):
            await sink.deliver([PAYLOAD])


@pytest.mark.requirement("DLV-04")
async def test_a_bug_of_the_receiver_leaves_open_whose_fault_it_is(sink_to: Open) -> None:
    async with sink_to(Receiver(RuntimeError("a bug there"))) as sink:
        with pytest.raises(SinkFailed):
            await sink.deliver([PAYLOAD])


@pytest.mark.requirement("DLV-04")
@pytest.mark.parametrize("answer", [Contention(), Overloaded()])
async def test_trouble_of_the_receiver_is_not_the_events_fault(sink_to: Open, answer: Fault) -> None:
    async with sink_to(Receiver(answer)) as sink:
        with pytest.raises(ServiceUnavailable):
            await sink.deliver([PAYLOAD])


async def test_a_wrong_credential_sets_no_event_aside(sink_to: Open) -> None:
    async with sink_to(Receiver(), "wrong") as sink:
        with pytest.raises(ServiceUnavailable):
            await sink.deliver([PAYLOAD])


async def test_a_batch_that_is_too_large_is_refused_so_that_it_comes_one_by_one(sink_to: Open) -> None:
    async with sink_to(Receiver()) as sink:
        with pytest.raises(EventRefused):
            await sink.deliver([PAYLOAD] * 200)
        await sink.deliver([PAYLOAD])
