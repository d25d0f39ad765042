"""The plain port: what the phones show, for people and programs; the ledger; and the switches of tests."""

import html
from dataclasses import asdict
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from firewalker.emulator.fcm import Fcm
from firewalker.emulator.screen import Shown

_STYLE = """
body{font:16px system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;background:#f4f4f5;color:#18181b}
article{background:#fff;border-radius:12px;padding:.8rem 1rem;margin:.6rem 0;box-shadow:0 1px 3px #0002}
small{color:#71717a}h2{font-size:1rem;margin:0 0 .2rem}p{margin:0}
@media(prefers-color-scheme:dark){body{background:#18181b;color:#e4e4e7}article{background:#27272a}}
"""


def pages(fcm: Fcm) -> Starlette:
    """The application of the plain port."""

    async def page(_: Request) -> Response:
        shown = "".join(map(_article, reversed(fcm.screen.shown))) or "<p>Nothing has been pushed yet.</p>"
        text = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            '<meta http-equiv="refresh" content="2"><title>Pushes</title>'
            f"<style>{_STYLE}</style><h1>What phones show</h1>{shown}</html>"
        )
        return HTMLResponse(text, headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"})

    async def screen(_: Request) -> Response:
        return JSONResponse({"pushes": [asdict(shown) for shown in fcm.screen.shown]})

    async def ledger(request: Request) -> Response:
        since = int(request.query_params.get("after", "0"))
        records = [asdict(record) for record in fcm.ledger.records[since:]]
        return JSONResponse({"records": records, "token_requests": fcm.tokens.asked})

    async def script(request: Request) -> Response:
        try:
            fcm.script.load(await request.json())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({})

    async def clock(request: Request) -> Response:
        fcm.clock.advance(float((await request.json())["advance_s"]))
        return JSONResponse({"now": fcm.clock.now()})

    async def reset(_: Request) -> Response:
        fcm.reset()
        return JSONResponse({})

    async def revoke(_: Request) -> Response:
        fcm.tokens.revoke_all()
        return JSONResponse({})

    async def health(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/screen", screen),
            Route("/ledger", ledger),
            Route("/healthz", health),
            Route("/script", script, methods=["PUT"]),
            Route("/clock", clock, methods=["POST"]),
            Route("/reset", reset, methods=["POST"]),
            Route("/revoke", revoke, methods=["POST"]),
        ]
    )


def _article(shown: Shown) -> str:
    at = datetime.fromtimestamp(shown.time, UTC)
    times = f" · {shown.times} times" if shown.times > 1 else ""
    return (
        f"<article><small>{html.escape(shown.platform)} {shown.device} · {at:%H:%M:%S} UTC{times}</small>"
        f"<h2>{html.escape(shown.title)}</h2><p>{html.escape(shown.body)}</p></article>"
    )
