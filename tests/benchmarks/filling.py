"""Filling: large tables, written by the server itself in an instant."""

from typing import Final

from .server import Server

__all__ = ["fill_as_models", "fill_customers"]

_AT_ONCE: Final = 10_000  # records a script
# The rows of ``records.TEN``, as redis_models stores them.
_AS_MODELS: Final = """
for at = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local id = string.format('%08d', at)
  local seconds = at * 61
  local days = math.floor(seconds / 86400)
  local year, month = 2024, 1
  while true do
    local is_leap = year % 4 == 0
    local lengths = {31, is_leap and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
    if days < lengths[month] then break end
    days, month = days - lengths[month], month + 1
    if month > 12 then year, month = year + 1, 1 end
  end
  local joined = string.format('"%04d-%02d-%02dT%02d:%02d:%02d+00:00"', year, month, days + 1,
    math.floor(seconds / 3600) % 24, math.floor(seconds / 60) % 60, seconds % 60)
  local balance = string.format('%.2f', at * 1.25):gsub('0$', '')
  redis.call('HSET', 'customer:' .. id, '_v', '1', 'id', id, 'name', 'Customer number ' .. at,
    'email', 'customer' .. at .. '@example.com', 'city', 'City ' .. at % 97,
    'note', 'a note of usual length, with ünïcode, about ' .. at, 'age', 18 + at % 70, 'visits', at % 10000,
    'balance', balance, 'is_active', at % 3 ~= 0 and 'true' or 'false', 'joined', joined)
  redis.call('ZADD', 'customer:__index', 0, 'customer:' .. id)
end
"""
# Customers of version 1 of the project that migrates.
_CUSTOMERS: Final = """
for at = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local key = 'customer:' .. at
  redis.call('HSET', key, '_v', '1', 'id', at, 'name', 'Customer number ' .. at, 'email', 'c' .. at .. '@example.com',
    'city', 'City ' .. at % 97, 'note', 'a note about ' .. at, 'legacy_ref', 'ref-' .. at, 'phone', '+49 30 ' .. at,
    'age', at % 10 == 0 and 'NA' or 18 + at % 70, 'visits', at % 10000, 'balance', '0.5')
  redis.call('ZADD', 'customer:__index', 0, key)
end
"""


def fill_as_models(server: Server, count: int) -> None:
    """Store the first ``count`` rows of records with 10 fields."""
    _fill(server, _AS_MODELS, count)


def fill_customers(server: Server, count: int) -> None:
    """Remove everything, and store customers to migrate."""
    server.flush()
    _fill(server, _CUSTOMERS, count)


def _fill(server: Server, script: str, count: int) -> None:
    for start in range(0, count, _AT_ONCE):
        server.client.eval(script, 0, start, min(start + _AT_ONCE, count))
