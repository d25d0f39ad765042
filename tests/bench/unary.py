"""What an authenticated unary call costs the server, beside a bare grpc.aio echo in the same run.

    python -m tests.bench.unary [--calls 20000] [--rounds 3] [--json unary.json]

Server CPU (user and system, from /proc) per call; the load comes from another process (grpcio) over loopback. Rounds are
interleaved, figures are medians; every reply is verified. `grpc.aio echo` has no authentication, no policy, no deadline
of its own, no metrics; ours has all of them.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import grpc
import structlog
from rich.console import Console
from rich.table import Table

from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.admission import Admission
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.wire import Wire
from firewalker.runtime.tokens import AccessTokens
from tests.support.partial_doors import part_of
from tests.support.signing import Signer

PATH = "/firewalker.step.v1.LeaderboardService/GetFriendLeaderboard"
KINDS = ("firewalker fast", "firewalker plain", "grpc.aio echo")
CONCURRENCY = 32
DATE = "2026-05-20"


@part_of("firewalker.step.v1.LeaderboardService")
class BoardDoor:
    """Answers without any store: what is left is the wire and the edge."""

    SERVICE: ClassVar = "firewalker.step.v1.LeaderboardService"
    POLICY: ClassVar = dict.fromkeys(
        ("GetFriendLeaderboard", "WatchFriendLeaderboard", "GetGroupLeaderboard", "WatchGroupLeaderboard"),
        Rule(Caller.USER),
    )

    def __init__(self) -> None:
        self._answer = message_class("firewalker.step.v1.GetFriendLeaderboardResponse")

    async def get_friend_leaderboard(self, request: Any) -> Any:
        return self._answer(leaderboard={"date": request.date, "version": str(principal().user_id)})

    async def watch_friend_leaderboard(self, request: Any, stream: Any) -> None:
        """Not measured here; nor are the two below."""

    async def get_group_leaderboard(self, request: Any) -> Any:
        return await self.get_friend_leaderboard(request)

    async def watch_group_leaderboard(self, request: Any, stream: Any) -> None:
        await self.watch_friend_leaderboard(request, stream)


async def serve(kind: str) -> None:
    """Run one server until standard input closes; print its port and a token."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    signer = Signer()
    stop: Callable[[], Awaitable[object]]
    if kind == "grpc.aio echo":
        echo_server = grpc.aio.server()

        async def echo(request: bytes, context: Any) -> bytes:
            del context
            return request

        handler = grpc.method_handlers_generic_handler(
            "firewalker.step.v1.LeaderboardService",
            {"GetFriendLeaderboard": grpc.unary_unary_rpc_method_handler(echo)},
        )
        echo_server.add_generic_rpc_handlers((handler,))
        port = echo_server.add_insecure_port("127.0.0.1:0")
        await echo_server.start()

        async def stop() -> None:
            await echo_server.stop(None)
    else:
        edge = Edge(tokens=AccessTokens(signer.ring()), admission=Admission())
        server = GrpcServer([BoardDoor()], edge, wire=Wire(kind.split()[1]))
        await server.start()
        port, stop = server.port, server.close
    sys.stdout.write(json.dumps({"port": port, "token": signer.token()}) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await stop()


class Server:
    """A server process on the first core."""

    def __init__(self, kind: str) -> None:
        self.begin(kind, [sys.executable, "-m", "tests.bench.unary", "--serve", kind])

    def begin(self, kind: str, command: list[str]) -> None:
        """Start it by *command*."""
        self.kind = kind
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        pin(self._process.pid, 0)
        assert self._process.stdout is not None
        facts = json.loads(self._process.stdout.readline())
        self.port: int = facts["port"]
        self.token: str = facts["token"]

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where there are several."""
    if (os.cpu_count() or 1) > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


async def load(server: Server, calls: int) -> None:
    """Make so many calls, some at once, on one connection; verify each reply."""
    request = message_class("firewalker.step.v1.GetFriendLeaderboardRequest")(date=DATE).SerializeToString()
    answer_class = message_class("firewalker.step.v1.GetFriendLeaderboardResponse")
    metadata = (("authorization", f"Bearer {server.token}"),)
    left = calls
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary(PATH)

        async def caller() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                data = await call(request, metadata=metadata, timeout=30)
                if server.kind == "grpc.aio echo":
                    assert data == request
                else:
                    assert answer_class.FromString(data).leaderboard.date == DATE

        await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))


async def measure(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """Server CPU in µs per call and calls per second, for each kind."""
    pin(0, (os.cpu_count() or 1) - 1)
    servers = [Server(kind) for kind in KINDS]
    results: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    try:
        for server in servers:
            await load(server, calls // 10)
        for _ in range(rounds):
            for server in servers:
                cpu, start = server.cpu_s(), time.perf_counter()
                await load(server, calls)
                seconds = time.perf_counter() - start
                results[server.kind].append(((server.cpu_s() - cpu) / calls * 1e6, calls / seconds))
    finally:
        for server in servers:
            server.close()
    return {
        kind: {
            "cpu_us": statistics.median(cpu for cpu, _ in figures),
            "calls_per_s": statistics.median(rate for _, rate in figures),
        }
        for kind, figures in results.items()
    }


def show(results: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table(title="Authenticated unary call, no store")
    for heading in ("server", "CPU µs per call", "of grpc.aio", "calls/s (load-bound)"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    base = results["grpc.aio echo"]["cpu_us"]
    for kind, figures in results.items():
        ratio = f"{figures['cpu_us'] / base:.2f}"
        table.add_row(kind, f"{figures['cpu_us']:.0f}", ratio, f"{figures['calls_per_s']:.0f}")
    Console().print(table)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    results = asyncio.run(measure(arguments.calls, arguments.rounds))
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
