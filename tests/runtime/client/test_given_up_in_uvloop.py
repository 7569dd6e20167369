"""Writes that are given up in a loop of uvloop: they do not begin after a later write."""

import asyncio
from typing import Any

import pytest

from redis_models import Store

from .parcels import LARGE, NewBox, Parcel, give_up


def test_it_is_the_same_in_a_loop_of_another_make(server: Any, client: Any, new_box: NewBox) -> None:
    uvloop = pytest.importorskip("uvloop")
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=60)
    store.register_model(Parcel)

    async def cancel_and_go_on() -> None:
        await Parcel.insert(Parcel(id="a"))
        await give_up(box, Parcel.insert(Parcel(id="a", content=LARGE)))
        await Parcel.delete("a")
        await asyncio.to_thread(box.flow)

    uvloop.run(cancel_and_go_on())

    assert not client.exists("parcel:a")


def test_a_transport_that_is_thrown_away_sends_nothing_more_in_a_loop_of_another_make(
    server: Any, client: Any, new_box: NewBox
) -> None:
    uvloop = pytest.importorskip("uvloop")
    client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-client", "-info")
    box = new_box(server.socket_path)
    store = Store("s", url=box.url.replace("//", "//app:pw@"), timeout_s=60)
    store.register_model(Parcel)

    async def cancel_and_go_on() -> None:
        await Parcel.insert(Parcel(id="a"))
        await give_up(box, Parcel.insert(Parcel(id="a", content=LARGE)))
        await Parcel.delete("a")
        await asyncio.to_thread(box.flow)

    uvloop.run(cancel_and_go_on())

    assert not client.exists("parcel:a")
    client.execute_command("ACL", "DELUSER", "app")
