"""Models on a node of a cluster: the server refuses what is not its own, whole, and the error says what to do."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ServerRefusedError


class Stock(Model):
    """Whose records and index share a slot."""

    id: str = Field(primary_key=True)
    amount: int = 0

    class Meta:
        prefix = "{shop}"


class Item(Model):
    """Whose records and index do not."""

    id: str = Field(primary_key=True)


@pytest.fixture
def nodes(new_server: Callable[..., Any], unused_tcp_port_factory: Callable[[], int]) -> Iterator[list[Any]]:
    """A cluster of two nodes, as clients: the slot of {shop} is one of the second's."""
    ports = [next(port for port in iter(unused_tcp_port_factory, 0) if port < 55_000) for _ in range(2)]
    servers = [new_server("--cluster-enabled", "yes", "--port", str(port)) for port in ports]
    clients: list[Any] = [server.client() for server in servers]
    for place, client in enumerate(clients):
        client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        client.execute_command("CLUSTER", "ADDSLOTS", *range(8192 - 8192 * place, 16_384 - 8192 * place))
    clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", ports[1])
    while any(client.execute_command("CLUSTER INFO")["cluster_state"] != "ok" for client in clients):
        pass
    assert clients[0].execute_command("CLUSTER", "KEYSLOT", "{shop}") < 8192
    yield servers
    for client in clients:
        client.close()


async def test_what_is_not_the_nodes_own_is_refused_whole_and_says_whose_it_is(nodes: list[Any]) -> None:
    first, second = nodes
    with second.client() as client:
        port = client.config_get("port")["port"]
    async with Store.from_url(first.url) as store:
        store.register_model(Stock)
        with pytest.raises(
            ServerRefusedError, match=rf"lies on another node .*\(slot and node 3808 127.0.0.1:{port}\)"
        ):
            await Stock.insert(Stock(id="a"))
        with pytest.raises(ServerRefusedError, match="Only clusters of one node can be used: name that node"):
            await Stock.get("a")
        store.register_model(Item)
        with pytest.raises(ServerRefusedError, match=r"must share a slot .* Migrations are not for clusters"):
            await Item.insert(Item(id="a"))
    async with Store.from_url(second.url) as store:
        store.register_model(Stock)
        await Stock.insert(Stock(id="a", amount=3))

        assert await Stock.get("a") == Stock(id="a", amount=3)
    for node in nodes:
        with node.client() as client:
            assert {key.partition(b":")[0] for key in client.keys("*")} <= {b"{shop}"}
