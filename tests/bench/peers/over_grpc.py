"""grpc.aio: RecordSteps as a unary call with one reading. Started by `serving`."""

from datetime import date
from typing import Any

import grpc
import grpc.aio
import jwt

from firewalker.runtime.grpc.messages import message_class
from tests.bench.peers.table import MOST_HOURLY, Table, Tokens

_Request = message_class("firewalker.step.v1.RecordStepsRequest")
_Response = message_class("firewalker.step.v1.RecordStepsResponse")
_ACCEPTED = 1


def server(table: Table, tokens: Tokens) -> grpc.aio.Server:
    """The service, without a port yet."""

    async def record(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        metadata = dict(context.invocation_metadata() or ())
        try:
            user = tokens.user_of(str(metadata.get("authorization", "")))
        except jwt.InvalidTokenError:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED)
        answer = _Response()
        for reading in request.readings:
            if not 0 <= reading.steps <= MOST_HOURLY or not 0 <= reading.hour < 24:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT)
            day = date.fromisoformat(reading.date)
            total = await table.record(user, day, reading.device_id, reading.hour, reading.steps)
            answer.results.add(verdict=_ACCEPTED)
            answer.days.add(date=reading.date, total=total)
        return answer

    made = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(record, _Request.FromString, _Response.SerializeToString)
    made.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("firewalker.step.v1.StepService", {"RecordSteps": handler}),)
    )
    return made
