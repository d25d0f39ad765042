"""How sending spans ends. What spans tell is looked at in tests/system."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.support.collector import collecting
from transcoder.exchange import Exchange
from transcoder.tracing import Tracing


def with_a_span(endpoint: str) -> Tracing:
    async def nothing(*_: object) -> None: ...

    exchange = Exchange({"method": "GET", "headers": []}, nothing, nothing)  # type: ignore[arg-type]
    tracing = Tracing(endpoint, share=1)
    tracing.end(tracing.begin(exchange), exchange, 200)
    return tracing


def test_what_is_left_is_sent_at_the_end() -> None:
    with collecting() as collector:
        with_a_span(collector.endpoint).close()
        assert [span.name for span in collector.spans] == ["GET"]


def test_a_collector_that_hangs_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # The exporter would wait this long, three times the deadline; 10 s unless told.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "60")
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        tracing = with_a_span(f"http://127.0.0.1:{hanging.getsockname()[1]}/v1/traces")
        closing = threading.Thread(target=tracing.close, daemon=True)
        closing.start()
        taken, _ = hanging.accept()
        with taken:
            closing.join(60)
            assert not closing.is_alive()
            (sending,) = (thread for thread in threading.enumerate() if thread.name == "last spans")
            assert sending.daemon
            taken.recv(65_536)
            taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            sending.join(60)
