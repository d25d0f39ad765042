import asyncio
from urllib.request import urlopen

from firewalker.runtime.metrics import EVENT_LOOP_LAG, REGISTRY, MetricsServer, PoolMetrics, watch_event_loop


class Full:
    idle, lent, opening, waiting = 1, 2, 3, 4


async def test_the_metrics_are_shown_over_http() -> None:
    metrics = PoolMetrics("shown", Full())
    server = MetricsServer("127.0.0.1", 0)
    server.start()
    try:
        text = await asyncio.to_thread(
            lambda: urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=60).read().decode()
        )
    finally:
        await asyncio.to_thread(server.close)
        metrics.close()
    assert 'firewalker_mysql_connections{database="shown",state="waiting"} 4.0' in text
    assert "process_cpu_seconds_total" in text


def test_a_closed_pool_is_not_shown() -> None:
    metrics = PoolMetrics("gone", Full())
    labels = {"database": "gone", "state": "idle"}
    assert REGISTRY.get_sample_value("firewalker_mysql_connections", labels) == 1.0
    metrics.close()
    assert REGISTRY.get_sample_value("firewalker_mysql_connections", labels) is None


async def test_a_busy_event_loop_shows() -> None:
    import time  # noqa: PLC0415 - to be busy

    EVENT_LOOP_LAG.set(0)
    watch = asyncio.create_task(watch_event_loop())
    await asyncio.sleep(0.01)
    time.sleep(0.3)  # noqa: ASYNC251 - that is the point
    for _ in range(1500):
        if EVENT_LOOP_LAG._value.get() > 0.1:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
