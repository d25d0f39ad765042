"""Whether the Redis of ended sessions throws entries away to make room (AUTH-24): each of them would let a session in again."""

import structlog
from redis.exceptions import ResponseError

from firewalker.runtime.config import ConfigError
from firewalker.runtime.redis import RedisUnavailable, calling, connect, servers

SAFE = "noeviction"

ASK_S = 2.0
"""Longest wait for Redis at the start; a service starts without it."""

_log = structlog.get_logger("firewalker.revocation")


async def ensure_nothing_is_evicted(url: str) -> None:
    """Return if the Redis at *url*, with every server of a cluster, evicts nothing, or is away: then what it is is looked at
    with the next start.

    Raises:
        ConfigError: It evicts, or does not say.
    """
    try:
        async with calling(ASK_S):
            found = await servers(url)
    except RedisUnavailable as error:
        _log.warning("not known whether Redis evicts", error=str(error))
        return
    for server in found:
        await _ensure_one_evicts_nothing(server)


async def _ensure_one_evicts_nothing(url: str) -> None:
    try:
        async with calling(ASK_S):
            policy = await _policy(url)
    except RedisUnavailable as error:
        _log.warning("not known whether Redis evicts", error=str(error))
        return
    if policy != SAFE:
        raise ConfigError(
            f"redis_url: its maxmemory-policy is {policy or 'not told'}; it must be {SAFE}, or ended sessions come to life "
            "again. Where Redis does not tell, or at your own risk: redis_eviction=declared_none"
        )


async def _policy(url: str) -> str:
    """What one server does for room; empty if it does not say."""
    redis = connect(url)
    try:
        found = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy", "")
    except ResponseError:
        return ""
    finally:
        await redis.aclose()
    return found.decode() if isinstance(found, bytes) else str(found)
