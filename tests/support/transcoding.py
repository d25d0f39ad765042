"""The library service, a transcoder and Envoy before it, each a process of its own, so that each one's cost is its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from tests.transcoder.descriptors import library_bytes
from transcoder.config import PREFIX

ROOT = Path(__file__).parents[2]
START_S = 60
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Running:
    """A server process."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Seconds of processor that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        """Memory that it holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def _process(*command: str | Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def library_process() -> AsyncIterator[Running]:
    """The library service."""
    async with _process(sys.executable, "-m", "tests.support.serve_library") as process:
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), START_S))
        yield Running(process.pid, port)


@asynccontextmanager
async def transcoder_process(
    folder: Path, backend: Running, *, command: tuple[str, ...] = ("-m", "transcoder"), **settings: str
) -> AsyncIterator[Running]:
    """The transcoder, its requests not logged."""
    descriptors = folder / "library.binpb"
    descriptors.write_bytes(library_bytes())
    known = {
        "PORT": "0",
        "METRICS_PORT": "0",
        "DESCRIPTOR_SET": str(descriptors),
        "BACKENDS": f"library=127.0.0.1:{backend.port}",
        **settings,
    }
    environment = {PREFIX + name: value for name, value in known.items()}
    async with _process(sys.executable, *command, **environment) as process:
        assert process.stderr is not None
        line = json.loads(await asyncio.wait_for(process.stderr.readline(), START_S))
        drain = asyncio.create_task(_read_away(process.stderr))
        yield Running(process.pid, line["port"])
        drain.cancel()


@asynccontextmanager
async def envoy_process(folder: Path, binary: Path, backend: Running, port: int) -> AsyncIterator[Running]:
    """Envoy with its gRPC-JSON transcoder and one worker, which is what one transcoder process has."""
    descriptors = folder / "envoy.binpb"
    descriptors.write_bytes(for_envoy(library_bytes()))
    config = folder / "envoy.json"
    config.write_text(json.dumps(_configuration(descriptors, backend.port, port)))
    async with _process(binary, "-c", config, "--concurrency", "1", "--log-level", "error") as process:
        async with asyncio.timeout(START_S):
            while not await _listens(port):
                if process.returncode is not None:
                    assert process.stderr is not None
                    raise RuntimeError((await process.stderr.read()).decode())
                await asyncio.sleep(0.05)
        yield Running(process.pid, port)


def for_envoy(data: bytes) -> bytes:
    """The descriptor set without what Envoy does not start with: ``response_body`` of other kinds than HttpBody."""
    files = descriptor_pb2.FileDescriptorSet.FromString(data)
    for file in files.file:
        for service in file.service:
            for method in service.method:
                if method.name == "ListTitles":
                    method.options.Extensions[annotations_pb2.http].ClearField("response_body")
    return files.SerializeToString()


async def _read_away(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _configuration(descriptors: Path, backend: int, port: int) -> object:
    kind = "type.googleapis.com/envoy.extensions."
    transcoder = {
        "@type": kind + "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(descriptors),
        "services": ["library.v1.LibraryService"],
        "print_options": {"always_print_primitive_fields": True},
        "convert_grpc_status": True,
        "request_validation_options": {"reject_unknown_method": True, "reject_unknown_query_parameters": True},
    }
    manager = {
        "@type": kind + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "t",
        "route_config": {
            "virtual_hosts": [
                {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}
            ]
        },
        "http_filters": [
            {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": kind + "filters.http.router.v3.Router"},
            },
        ],
    }
    cluster = {
        "name": "c",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": kind + "upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "c",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(backend)}}]}],
        },
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {
        "static_resources": {
            "listeners": [{"address": _address(port), "filter_chains": [chain]}],
            "clusters": [cluster],
        }
    }


def _address(port: int) -> object:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
