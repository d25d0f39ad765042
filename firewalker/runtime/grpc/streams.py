"""What a hot door sees of a stream: messages in, messages out, and notice of its end."""

import asyncio
from typing import TYPE_CHECKING, Any

from firewalker.kernel.faults import Fault

if TYPE_CHECKING:
    from firewalker.runtime.grpc.call import Call


class HotStream:
    """One open stream. Returning from the door's method ends it with OK; a raised fault becomes its status.

    One task may receive while another sends; two must not do the same.
    """

    __slots__ = ("_call", "ending")

    def __init__(self, call: "Call") -> None:
        self._call = call
        self.ending: asyncio.Future[Fault] = asyncio.get_running_loop().create_future()
        """Done when the stream has to end: with AccessTokenExpired, SessionRevoked or Draining.

        The door then has a second to send its last message and to return (OK) or to raise the fault; after that the
        stream is ended with the fault. Wait for it with `asyncio.wait`, or look at `ending.done()`; never cancel it.
        """

    async def recv(self) -> Any:
        """The client's next message (upb), checked; None once the client has half-closed.

        Does not give way to other tasks while messages are there already.

        Raises:
            StreamIdle: None came for the rule's `idle_s`.
            MalformedMessage, InvalidRequest, MessageTooLarge: What came is refused; the stream cannot go on.
        """
        return await self._call.recv_message()

    async def send(self, message: Any) -> None:
        """Send a upb message, or bytes that are one already serialised. Waits while the client does not read.

        Raises:
            StreamStalled: The client took nothing for 15 s.
        """
        await self._call.send_message(message)
