"""URLs, their passwords, and who gets to see them."""

import inspect
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import redis.asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from redis_models import RedisConfig, Store
from redis_models.client.commands import RoundTrips
from redis_models.config import RedisConfig as ItsHome
from redis_models.errors import RedisModelsError, ServerRefusedError, SettingsError
from redis_models.redaction import masked, redact
from redis_models.store import RedisConfig as ItsOldHome

Echo = Callable[[str], RoundTrips[object]]

SECRETS = [
    "redis://:s3cret@h:1/0",
    "redis://bob:s3cret@h",
    "redis://:s3@cr/et#1@h:1/0",
    "rediss://bob:s3:cret@h/0?db=1",
    "redis://h/0?password=s3cret&db=1",
    "redis://h/0?db=0&PASSWORD=s3cret",
    "redis://h:s3cret/0",
    "redis://bob:s3 'cr\net\"@h/0",
    "unix://:s3cret@/tmp/x",
    "valkey://bob:s3cret@h",
    "http://bob:s3cret@h",
    "redis://bob:s3cret@h?colour=red",
]
if "ssl_password" in inspect.signature(redis.asyncio.SSLConnection).parameters:  # redis-py 6 lacks it
    SECRETS.append("rediss://h/0?ssl_password=s3cret")


def _held(exc: BaseException | None) -> Iterator[str]:
    """Everything that an error and what it comes from would show, save or send."""
    if exc is not None:
        yield from (str(exc), repr(exc), repr(exc.args), repr(exc.__dict__), repr(pickle.dumps(exc)))
        yield "".join(traceback.format_exception(exc))
        yield from _held(exc.__cause__)
        yield from _held(exc.__context__)


@pytest.mark.parametrize("url", SECRETS)
def test_a_password_in_a_url_is_never_shown(url: str) -> None:
    store = Store.from_url(url)
    shown = [masked(url), store.address, repr(store), str(store), f"{store}"]
    try:
        assert store.sync_client
        client = cast(Any, store.redis_store)
        pool = client.connection_pool
        shown += [repr(client), str(client), repr(pool), repr(pool.make_connection())]
        # Which redis-py 7 shows; a key's own password can stand nowhere else.
        shown += [repr(value) for name, value in pool.connection_kwargs.items() if name != "ssl_password"]
    except SettingsError as exc:
        shown += _held(exc)
    store.close()

    assert not [text for text in shown if "s3" in text or "cret" in text or "cr/et" in text]


def test_passwords_in_a_text_are_hidden_and_the_rest_is_left() -> None:
    text = "redis://bob:s3cret@h:1/0 and 'unix://:s3cret@/tmp/x' or redis://h?password=s3cret&db=1, b@c"

    assert redact(text) == "redis://***@h:1/0 and 'unix://***@/tmp/x' or redis://h?***, b@c"


@pytest.mark.parametrize(
    "url",
    ["redis://h:1/0", "unix:///tmp/x@y", "embedded:./data", "redis://[::1]:6379/0", "redis://h?db=1", "redis://a,b"],
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert masked(url) == url


# Where a password ends up that was not quoted, or that is in the wrong place; by their schemes, or without one.
_PLACES = [
    "redis://:{}@127.0.0.1:1/0", "redis://bob:{}@127.0.0.1:1", "redis://{}@127.0.0.1:1/0", "redis://{}:@127.0.0.1:1",
    "redis://127.0.0.1:1/0?password={}", "redis://127.0.0.1:1/0?db=1&password={}&protocol=3", "rediss://h?username={}",
    "redis://127.0.0.1:1/0#{}", "redis://127.0.0.1:1/0?password=a&{}=1", "unix://:{}@/tmp/none", "valkey://bob:{}@h:1",
    "unix:///tmp/none?password={}", "http://bob:{}@h", "redsi://:{}@h", "redis+sentinel://:{}@a:1,b:2/x", "{}@h:1/0",
    "bob:{}@h:6379", "redis:{}@h", "redis:/:{}@h", "redis//:{}@h", "://:{}@h", "REDIS://:{}@127.0.0.1:1",
]  # fmt: skip
_SIGNS = st.text("@/?#:&=%+,; abc1", max_size=6)


@given(place=st.sampled_from(_PLACES), before=_SIGNS, after=_SIGNS)
@example(place="{}@h:1/0", before="", after="1://")
@example(place="bob:{}@h:6379", before="1", after="=redis://")
@settings(max_examples=400, deadline=None)
def test_a_password_that_is_not_quoted_is_shown_nowhere(place: str, before: str, after: str) -> None:
    url = place.format(f"{before}SeCrEt{after}")
    store = Store.from_url(url)
    shown = [masked(url), store.address, repr(store)]
    try:
        shown.append(repr(store.sync_client))
    except SettingsError as exc:
        shown += _held(exc)
    if " " not in url:
        shown.append(redact(f"cannot reach {url}, it said ({url})") if "://" in url else "")
    store.close()

    assert not [text for text in shown if "secret" in text.lower()]


@pytest.mark.parametrize("url", [place.format("SeCrEt") for place in _PLACES] + [
    "redis://:12?SeCrEt@h:1", "redis://:12/SeCrEt@h:1", "redis://:12#SeCrEt@h", "redis://h/0?protocol=SeCrEt", "SeCrEt",
    "redis://h:1/0?password=ab@SeCrEt", "redis://127.0.0.1:1?socket_timeout=SeCrEt", "redis://:pa&ss?SeCrEt=1@h",
])  # fmt: skip
def test_no_command_prints_a_password_that_stands_in_a_wrong_place(project: Any, impatient: None, url: str) -> None:
    project.deploy(1)
    project.settings(REDIS_URL=url, APPS=["shop"])

    outputs = [
        project.run("--json", "--traceback", "migrate", "--plan"),
        project.run("--traceback", "makemigrations", "--check"),
        project.run("--json", "showmigrations"),
        project.run("relocate", "--from", url),
    ]

    assert "secret" not in "".join(message.out + message.err for message in outputs).lower()


async def test_a_password_in_use_is_shown_by_no_error(new_server: Callable[..., Any], echo: Echo) -> None:
    server = new_server("--requirepass", "right")
    store = Store.from_url(f"unix://bob:s3cret@{server.socket_path}")

    with pytest.raises(ServerRefusedError) as asynchronous:
        await store.run_async(echo("x"))
    with pytest.raises(ServerRefusedError) as blocking:
        store.run(echo("x"))

    assert not [text for caught in (asynchronous, blocking) for text in _held(caught.value) if "s3cret" in text]
    await store.aclose()


def test_a_configuration_hides_its_password_and_quotes_it_in_the_url() -> None:
    config = RedisConfig(host="h", password="p@ss/w#1", username="b:b")

    assert "p@ss" not in repr(config) + str(config) + repr(Store("s", config)) + f"{config!r:>9}"
    assert "'b:b'" in repr(config)
    assert config.redis_url == "redis://b%3Ab:p%40ss%2Fw%231@h:6379/0"
    assert RedisConfig(host="h", password="p@ss/w#1").redis_url == "redis://:p%40ss%2Fw%231@h:6379/0"
    assert RedisConfig(username="bob").redis_url == "redis://bob@localhost:6379/0"


def test_a_configuration_is_that_of_pydantic_aioredis() -> None:
    assert RedisConfig is ItsHome is ItsOldHome
    assert RedisConfig().redis_url == "redis://localhost:6379/0"
    assert RedisConfig(ssl=True).redis_url == "rediss://localhost:6379/0"
    assert RedisConfig(host="::1", port=1, db=2).redis_url == "redis://[::1]:1/2"
    assert (RedisConfig().encoding, RedisConfig().password) == ("utf-8", None)


def test_a_wrong_configuration_does_not_show_its_password() -> None:
    with pytest.raises(ValidationError) as caught:
        RedisConfig(password=b"\xffs3cret", port="x")  # type: ignore[arg-type]

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://h", "h:6379", "redis://h:x/0", "redis://h?socket_timeout=soon"])
def test_a_url_that_is_none_is_refused_with_the_forms_there_are(url: str, echo: Echo) -> None:
    with pytest.raises(SettingsError, match=r"is not the URL of a server; write redis://USER:PASSWORD@HOST:PORT/DB"):
        Store.from_url(url).run(echo("x"))


async def test_an_option_that_there_is_not_may_be_a_password_and_is_not_named(echo: Echo) -> None:
    store = Store.from_url("redis://h:1/0?SeCrEt=1")
    with pytest.raises(RedisModelsError, match=r"has an unknown option; its name is not shown") as caught:
        store.run(echo("x"))
    assert not [text for text in _held(caught.value) if "SeCrEt" in text]
    with pytest.raises(RedisModelsError, match=r"has an unknown option; its name is not shown") as caught:
        await store.run_async(echo("x"))
    assert not [text for text in _held(caught.value) if "SeCrEt" in text]
    await store.aclose()


@pytest.mark.parametrize(("written", "meant"), [("socket_timeouts=1", "socket_timeout"), ("protocl=3", "protocol")])
def test_a_similar_option_is_suggested(echo: Echo, written: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=rf"unknown option; did you mean {meant}\?; its name"):
        Store.from_url(f"redis://h?{written}").run(echo("x"))


SERVERS_IN_FOLDERS = [
    "embedded:redis://:SeCrEt@h", "embedded:rediss://bob:SeCrEt@h:1/0", "embedded://redis://:SeCrEt@h/0",
    "embedded:redis::SeCrEt@h", "embedded:valkey:/:SeCrEt@h", "embedded://:SeCrEt@h", "embedded:bob:SeCrEt@h:1",
    "embedded:unix:///tmp/SeCrEt", "embedded:redis+sentinel://:SeCrEt@h", "embedded:redis:SeCrEt",
]  # fmt: skip


@pytest.mark.parametrize("url", SERVERS_IN_FOLDERS)
def test_the_url_of_a_server_is_not_taken_for_an_embedded_folder(project: Any, url: str) -> None:
    project.deploy(1)
    project.settings(REDIS_URL=url, APPS=["shop"])
    before = {path.name for path in project.root.iterdir()}

    ran = project.run("--traceback", "migrate", "--plan")
    with pytest.raises(SettingsError, match="embedded: takes a folder, not the URL of a server") as caught:
        assert Store.from_url(url).sync_client

    assert ran.code == 2
    assert "embedded: takes a folder" in ran.err
    assert not [text for text in (ran.out, ran.err, masked(url), *_held(caught.value)) if "secret" in text.lower()]
    assert {path.name for path in project.root.iterdir()} == before


@pytest.mark.parametrize("url", ["embedded:", "embedded:./data", "embedded:redis", "embedded:/a@b/c", "embedded:a:b"])
def test_a_folder_of_an_embedded_server_is_shown(url: str) -> None:
    assert masked(url) == url


async def test_options_of_a_url_are_obeyed(server: Any, echo: Echo) -> None:
    url = f"unix://{server.socket_path}?max_connections=3&db=1&client_name=bob"
    async with Store.from_url(url) as store:
        assert await store.run_async(_who_am_i()) == store.run(_who_am_i()) == ("bob", "1")


def _who_am_i() -> RoundTrips[tuple[str, str]]:
    [outputs] = yield [("CLIENT", "INFO")]
    assert isinstance(outputs, bytes)
    parts = dict(part.split("=", 1) for part in outputs.decode().split() if "=" in part)
    return parts["name"], parts["db"]


@pytest.mark.parametrize("text", ["a" * 1_000_000, "(" * 1_000_000, "a://" * 250_000, "password" * 125_000])
def test_long_texts_are_read_in_the_time_of_their_length(text: str) -> None:
    assert len(redact(text)) <= len(text)
