"""The process that draws: charts come in on standard input, pictures go out on standard output, one after the other.

A chart is 4 bytes of length and JSON; a picture is a byte (0, or 1 for a failure, whose text follows), 4 bytes of length
and the file. It ends when its input does, so that it never outlives who started it, however that ended.
"""

import json
import os
import struct
import sys
import traceback
from typing import BinaryIO

NICENESS = 10
"""Steps that arrive go before pictures."""


def serve(charts: BinaryIO, pictures: BinaryIO) -> None:
    """Draw until *charts* ends."""
    from firewalker.step.charts.draw import draw  # noqa: PLC0415 - half a second, spent in this process only

    while len(head := charts.read(4)) == 4:  # noqa: PLR2004 - of a length
        chart = charts.read(struct.unpack(">I", head)[0])
        try:
            failed, answer = 0, draw(json.loads(chart))
        except Exception:  # noqa: BLE001 - told to the service, which logs it
            failed, answer = 1, traceback.format_exc().encode()
        pictures.write(struct.pack(">BI", failed, len(answer)) + answer)
        pictures.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    serve(sys.stdin.buffer, sys.stdout.buffer)
