"""Somebody's browser, signed in already: as it is on every visit after the first."""

from __future__ import annotations

from typing import Any

from tests.web.browsing import People, Person
from tests.web.neighbours import PASSWORD, Neighbour

OWN_PAGE = {"x-firewalker-session": "1"}


async def come_home(people: People, who: Neighbour, path: str = "/", **options: Any) -> Person:
    """*who* opens *path* in a browser that knows them."""
    person = await people.arrive(None, **options)
    body = {"email": who.email, "password": PASSWORD, "deviceName": "Chrome, Android"}
    answer = await person.context.request.post("/session/login", data=body, headers=OWN_PAGE)
    assert answer.ok, await answer.text()
    await person.context.add_init_script(
        "if (location.protocol !== 'about:') localStorage.setItem('firewalker.signed-in', 'yes')"
    )
    await person.page.goto(path)
    return person
