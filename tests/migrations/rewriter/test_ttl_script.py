"""``ttl.lua``, function by function, at a moment that is said: when records end, and what is kept of it."""

from typing import Any, Final

import pytest

from redis_models.client.commands import load_script

_LIVES: Final = load_script("redis_models.migrations", "permissions", "once", "ttl")
_NOW: Final = 1_000_000
_NEVER: Final = -1
# In front of the script, in place of what a server says: the clock's milliseconds, one after the other.
_OLD_SERVER: Final = """
local given, real = {%s}, redis
local redis = {acl_check_cmd = real.acl_check_cmd, sha1hex = real.sha1hex}
function redis.pcall(name, ...)
  if name == 'PEXPIRETIME' then return {err = '%s'} end
  return real.pcall(name, ...)
end
function redis.call(name, ...)
  if name == 'TIME' then return {'0', tostring(1000 * table.remove(given, 1))} end
  if name == 'PTTL' then return table.remove(given, 1) end
  return real.call(name, ...)
end
"""
_SAYING: Final = """
local real, asked = redis, 0
local redis = {acl_check_cmd = real.acl_check_cmd, sha1hex = real.sha1hex, call = real.call}
function redis.pcall(name)
  asked = asked + 1
  return %s
end
"""


class Functions:
    """Calls functions of the script."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, lua: str, *arguments: Any, before: str = "") -> Any:
        return self.client.eval(f"{before}{_LIVES.source}now = {_NOW}\n{lua}", 0, *arguments)

    def decide(self, key: str, changes: str = "", *noted: str) -> tuple[Any, list[bytes]]:
        """Give when a record is to end, as text, and what is kept."""
        lua = f"""
            local kept = {{}}
            local function keep(stored, text) kept[#kept + 1] = stored .. '=' .. text end
            local ends = end_to_set('{key}', {{{changes}}}, ARGV, keep)
            return {{ends and string.format('%.0f', ends) or 'stays', kept}}
        """
        ends, kept = self(lua, *noted)
        return ends, kept


@pytest.fixture
def functions(client: Any) -> Functions:
    client.hset("lasting", "id", "a")
    client.hset("ending", "id", "a")
    client.pexpireat("ending", 4_000_000_000_000)
    return Functions(client)


@pytest.mark.parametrize(
    ("policy", "ms", "ends", "aim"),
    [
        ("all", 0, 5, _NEVER), ("shorten", 0, 5, _NEVER), ("all", 500, _NEVER, _NOW + 500), ("all", 500, 5, _NOW + 500),
        ("shorten", 500, _NEVER, _NOW + 500), ("shorten", 500, _NOW + 499, _NOW + 499),
        ("shorten", 500, _NOW + 501, _NOW + 500), ("all", 500, _NOW + 499, _NOW + 500),
    ],
)  # fmt: skip
def test_the_policy_says_when_a_record_is_to_end(
    functions: Functions, policy: str, ms: int, ends: int, aim: int
) -> None:
    assert functions(f"return aim_of({{policy = '{policy}', ms = {ms}}}, 'k', {ends})") == aim


def test_spread_ends_lie_in_the_later_half_by_the_key(functions: Functions) -> None:
    keys = [f"m:{number}" for number in range(50)]
    lua = """
        local found = {}
        for i, key in ipairs(ARGV) do found[i] = aim_of({policy = 'jitter', ms = 1000}, key, 5) end
        return found
    """

    found = functions(lua, *keys)

    assert all(_NOW + 500 <= end_ms <= _NOW + 1000 for end_ms in found)
    assert len(set(found)) > 40
    assert functions(lua, *keys) == found


def test_a_record_ends_by_the_clock_of_the_server(functions: Functions) -> None:
    before = functions.client.time()[0] * 1000

    assert before <= functions("now = nil return moment()") <= before + 600_000
    assert functions("return {end_of('ending'), end_of('lasting')}") == [4_000_000_000_000, _NEVER]


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ((5, 100, 5), 105), ((5, -1, 6), _NEVER), ((5, -2, 5), _NEVER), ((5, 100, 6, 7, 98, 7), 105),
        ((5, 100, 5, 7, 1, 7), 105), ((*(number for _ in range(10) for number in (5, 100, 6)), 0, 0, 0), 106),
    ],
)  # fmt: skip
def test_an_old_server_is_asked_until_the_clock_stands_still(
    functions: Functions, given: tuple[int, ...], ends: int
) -> None:
    before = _OLD_SERVER % (", ".join(map(str, given)), "ERR unknown command")

    assert functions("return end_of('ending')", before=before) == ends


def test_what_else_the_server_says_of_the_end_is_raised(functions: Functions) -> None:
    with pytest.raises(Exception, match="no permissions"):
        functions("return end_of('ending')", before=_OLD_SERVER % ("5, 100, 5", "NOPERM no permissions"))


def test_where_nothing_is_to_change_the_server_is_not_asked(functions: Functions) -> None:
    lua = "return end_to_set('ending', {}, {}, error) or 'stays'"

    assert functions(lua, before=_OLD_SERVER % ("5, 100, 5", "NOPERM no permissions")) == b"stays"


_ALL, _FOR_EVER = "{policy = 'all', ms = 500, stored = '_b2.0.'}", "{policy = 'all', ms = 0, stored = '_b3.0.'}"


@pytest.mark.parametrize(
    ("key", "changes", "noted", "ends", "kept"),
    [
        ("ending", "", (), b"stays", []),
        ("lasting", _ALL, (), b"1000500", [b"_b2.0.=-1 1000500"]),
        ("ending", _FOR_EVER, (), b"-1", [b"_b3.0.=4000000000000 -1"]),
        ("lasting", _FOR_EVER, (), b"stays", []),
        ("lasting", f"{_ALL}, {_FOR_EVER}", (), b"stays", [b"_b2.0.=-1 1000500", b"_b3.0.=1000500 -1"]),
        ("ending", "", ("-1 4000000000000",), b"-1", []),
        ("ending", "", ("1000001 4000000000000",), b"1000001", []),
        ("ending", "", ("1000000 4000000000000",), b"stays", []),  # it would be over
        ("ending", "", ("1000000 4000000000000", "-1 1000000"), b"-1", []),  # and what was before it is not
        ("ending", "", ("1000000 4000000000000", "-1 7"), b"stays", []),
        ("ending", "", ("-1 3999999999999",), b"stays", []),  # another one was set since
        ("lasting", "", ("4000000000001 -1",), b"4000000000001", []),
        ("ending", "", ("",), b"stays", []),
        ("ending", "", ("-1 4000000000000 ",), b"stays", []),
        ("ending", "", ("x 4000000000000", "-1 4000000000000"), b"-1", []),
        ("ending", _ALL, ("-1 1000500",), b"-1", [b"_b2.0.=4000000000000 1000500"]),
    ],
)  # fmt: skip
def test_what_is_decided_and_kept(
    functions: Functions, key: str, changes: str, noted: tuple[str, ...], ends: bytes, kept: list[bytes]
) -> None:
    assert functions.decide(key, changes, *noted) == (ends, kept)


@pytest.mark.parametrize(("ends", "left"), [("NEVER", -1), ("4100000000000", 4_100_000_000_000), ("nil", None)])
def test_an_end_is_set(functions: Functions, ends: str, left: int | None) -> None:
    functions(f"demand_end('ending', {ends}) set_end('ending', {ends})")

    assert functions("return end_of('ending')") == (left or 4_000_000_000_000)


@pytest.mark.parametrize(
    ("ends", "right"), [("NEVER", "persist"), ("4100000000000", "pexpireat"), ("nil", None)]
)  # fmt: skip
def test_the_right_to_set_an_end_is_asked_for_and_only_that(
    functions: Functions, server: Any, ends: str, right: str | None
) -> None:
    client = functions.client
    for denied in ("persist", "pexpireat"):
        client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", f"-{denied}")
        with server.client(username="bob", password="pw") as bob:
            if denied == right:
                with pytest.raises(Exception, match=f"'{denied}'|can't run"):
                    Functions(bob)(f"demand_end('ending', {ends})")
            else:
                Functions(bob)(f"demand_end('ending', {ends})")
    client.execute_command("ACL", "DELUSER", "bob")


@pytest.mark.parametrize(
    ("known", "says", "may", "asked"),
    [
        ("", "'db0:keys=1,subexpiry=3'", 0, 0), ("1", "'db0:keys=1,subexpiry=3'", 1, 1),
        ("?", "'db0:keys=1,subexpiry=3'", 1, 1), ("1", "'db0:keys=1,subexpiry=0'", 0, 1),
        ("1", "'db0:keys=1,keys_with_volatile_items=0'", 0, 1), ("1", "'db0:keys=1,keys_with_volatile_items=2'", 1, 1),
        ("1", "'db0:subexpiry=0 db1:subexpiry=4'", 1, 1), ("1", "'db0:keys=1'", 1, 1), ("1", "''", 1, 1),
        ("1", "{err = 'NOPERM'}", 1, 1),
    ],
)  # fmt: skip
def test_whether_fields_may_have_ends_is_asked_once_and_who_does_not_know_thinks_so(
    functions: Functions, known: str, says: str, may: int, asked: int
) -> None:
    lua = f"return {{has_lives('{known}') and 1 or 0, has_lives('{known}') and 1 or 0, asked}}"

    assert functions(lua, before=_SAYING % says) == [may, may, asked]
