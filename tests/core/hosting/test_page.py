"""The page: the same for everybody until a token opens it, nothing from elsewhere, kept where it may be kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.hosting.page import NOWHERE
from tests.core.hosting.serving import deploy, gateway


async def test_the_page_is_the_same_for_every_name(home: Path) -> None:
    names = {"echo": {"model": "Echo"}, "off": {"model": "Echo", "active": False}, "open": {"private": False}}
    async with gateway(home, names) as stage:
        replies = [
            await stage.ask(f"/{name}/{file}") for file in ("", "page.css", "page.js") for name in (*names, "nobody")
        ]
        for reply in replies:
            assert reply.status == 200
            reply.headers.pop("date")
        assert len({(reply.body, tuple(reply.headers.items())) for reply in replies}) == 3
        assert (await stage.ask("/nobody")).headers["location"] == "./nobody/"
        assert (await stage.ask("/javascript%3Aalert(1)")).headers["location"] == "./javascript%3Aalert%281%29/"
        for path in ("/echo/about", "/nobody/about", "/echo/openapi.json", "/nobody/openapi.json", "/openapi.json"):
            assert (await stage.ask(path)).status == 401
            assert (await stage.ask(path, "tm_wrong")).status == 401


async def test_the_page_loads_nothing_from_elsewhere(home: Path) -> None:
    async with gateway(home) as stage:
        page = await stage.ask("/any/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        text = page.body.decode()
        sources = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert all(each.startswith(("page.", "data:,")) for each in sources)
        assert len(sources) == 3
        assert "style=" not in text
        assert not re.search(r"\son\w+=", text)
        script = (await stage.ask("/any/page.js")).body.decode()
        assert "innerHTML" not in script
        assert set(re.findall(r"https?://[^\"'\s]+", script)) == {NOWHERE}


async def test_the_page_is_kept_as_long_as_it_may(home: Path) -> None:
    async with gateway(home) as stage:
        first = await stage.ask("/any/")
        assert first.headers["cache-control"] == "no-cache"
        again = await stage.ask("/any/", headers={"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        versioned = re.search(r"page\.js\?\w{12}", first.body.decode())
        assert versioned is not None
        assert "immutable" in (await stage.ask(f"/any/{versioned[0]}")).headers["cache-control"]


async def test_what_the_page_shows_needs_the_token(home: Path) -> None:
    async with gateway(home, {"all": {"model": "Everything"}}) as stage:
        about = (await stage.ask("/all/about", stage.tokens["all"])).json()
        assert (about["name"], about["state"], about["private"], about["text_model"]) == ("all", "asleep", True, False)
        fields = about["inputs"]
        assert isinstance(fields, list)
        assert {each["name"]: each["required"] for each in fields}["photo"] is True
        assert next(each for each in fields if each["name"] == "box")["example"] == [0.25, 0.25, 0.75, 0.75]
        assert NOWHERE in json.dumps(about["snippets"])
        lost = deploy(home, "lost", "Nothing")
        assert (await stage.ask("/lost/about", lost)).status == 503
        assert stage.registry.entries["all"].state == "asleep"
