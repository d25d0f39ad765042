"""The lane to the process that draws: one picture at a time, few waiting, everything drawn lately kept."""

import asyncio
import contextlib
import json
import struct
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from prometheus_client import Counter, Histogram

from firewalker.kernel.faults import Overloaded
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.tasks import begin, end
from firewalker.step.domain.chart import Chart
from firewalker.step.domain.faults import PictureUnavailable

MOST_WAITING = 16
"""Pictures that may wait; at some 50 ms each the last one waits for less than a second."""

DRAW_S = 8.0
"""Longest time for one picture, the start of the process included; one that takes longer is ended, and its call told so in time."""

IDLE_S = 300.0
"""How long the process is kept with nothing to draw: its 75 MB are worth more elsewhere."""

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Most bytes of pictures kept, some 800 of them; those asked for longest ago go first."""

_DRAWN_S = Histogram(
    "firewalker_step_picture_seconds", "Drawing one picture.", buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    registry=REGISTRY,
)  # fmt: skip
_KEPT = Counter("firewalker_step_pictures_kept_total", "Pictures that had been drawn already.", registry=REGISTRY)
_FAILED = Counter("firewalker_step_pictures_failed_total", "Pictures that could not be drawn.", registry=REGISTRY)
_log = structlog.get_logger(__name__)


class Pictures:
    """Draws charts. A part of the process; the one that draws is started when there is something to draw.

    Pictures are kept by what they show, so one that is kept is never out of date.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, command: tuple[str, ...] = (), draw_s: float = DRAW_S
    ) -> None:
        """*command* starts the process that draws, by default `worker`; *draw_s* is what it gets for a picture."""
        self._command = command or (sys.executable, "-m", "firewalker.step.charts.worker")
        self._monotonic = monotonic
        self._draw_s = draw_s
        self._turn = asyncio.Lock()
        self._drawing: dict[bytes, asyncio.Task[bytes]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._used_at = 0.0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look after the process."""
        self._folder = tempfile.TemporaryDirectory(prefix="firewalker-charts-")
        self._task = begin(self._end_idle(), "charts-idle")

    async def stop(self) -> None:
        """End the process; what it was drawing is lost."""
        await end([self._task])
        for task in list(self._drawing.values()):
            task.cancel()
            await asyncio.wait([task])
        await self._end_process()
        if self._folder is not None:
            self._folder.cleanup()

    async def draw(self, chart: Chart) -> bytes:
        """The picture as a file.

        Raises:
            Overloaded: Too many wait.
            PictureUnavailable: It could not be drawn, or not in time.
        """
        wanted = json.dumps(chart.as_json(), ensure_ascii=False, separators=(",", ":")).encode()
        picture = self._kept.get(wanted)
        if picture is not None:
            self._kept.move_to_end(wanted)
            _KEPT.inc()
            return picture
        drawing = self._drawing.get(wanted)
        if drawing is None:
            if len(self._drawing) >= MOST_WAITING:
                raise Overloaded(retry_after=timedelta(seconds=1))
            drawing = self._drawing[wanted] = asyncio.create_task(self._draw(wanted))
            drawing.add_done_callback(partial(self._drawn, wanted))
        # Who goes away leaves the picture to be drawn: to stop in the middle would mean to end the process.
        return await asyncio.shield(drawing)

    async def _draw(self, wanted: bytes) -> bytes:
        async with self._turn:
            answered = False
            try:
                async with asyncio.timeout(self._draw_s):
                    with _DRAWN_S.time():
                        failed, answer = await self._ask(wanted)
                        answered = True
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                _FAILED.inc()
                _log.warning("picture_not_drawn", error=type(error).__name__)
                raise PictureUnavailable(retry_after=timedelta(seconds=1)) from None
            finally:
                self._used_at = self._monotonic()
                if not answered:  # what it says next would answer this question
                    await self._end_process()
        if failed:
            _FAILED.inc()
            _log.error("picture_failed", traceback=answer.decode(errors="replace"))
            raise PictureUnavailable
        self._keep(wanted, answer)
        return answer

    def _drawn(self, wanted: bytes, drawing: "asyncio.Task[bytes]") -> None:
        del self._drawing[wanted]
        if not drawing.cancelled():
            drawing.exception()  # somebody has looked, even if everybody is gone

    async def _ask(self, wanted: bytes) -> tuple[int, bytes]:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._begin_process()
        assert process.stdin is not None  # noqa: S101 - both are pipes, see below
        assert process.stdout is not None  # noqa: S101 - as above
        process.stdin.write(struct.pack(">I", len(wanted)) + wanted)
        await process.stdin.drain()
        failed, length = struct.unpack(">BI", await process.stdout.readexactly(5))
        return failed, await process.stdout.readexactly(length)

    async def _begin_process(self) -> asyncio.subprocess.Process:
        folder = self._folder.name if self._folder is not None else tempfile.gettempdir()
        # Nothing of this process's environment: it holds secrets, and a picture needs none.
        environment = {"MPLCONFIGDIR": folder, "HOME": folder, "PYTHONPATH": ":".join(filter(None, sys.path))}
        return await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=environment,
        )  # fmt: skip

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S / 10)
            if self._process is not None and self._monotonic() - self._used_at > IDLE_S and not self._turn.locked():
                async with self._turn:
                    await self._end_process()

    def _keep(self, wanted: bytes, picture: bytes) -> None:
        self._kept[wanted] = picture
        self._kept_bytes += len(wanted) + len(picture)
        while self._kept_bytes > MAX_KEPT_BYTES:
            gone, dropped = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone) + len(dropped)
