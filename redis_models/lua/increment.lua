-- Add to a number in one record. After guard.lua.
-- ARGV    2 field
--         3 what to add
--         4 the sum where the record has no such field; '' if there is none, '!' if it is out of range
--         5 int or float
--         6, 7 for an int the least and the greatest stored number that may be added to; for a float the least and the
--         greatest sum; both included
-- returns the sum, as text
--         or, nothing written, {'REFUSED', reason, 1, stored number}
--         reason: VALUE (it is not a number), RANGE, INDEX, those of guard.lua and indexes.lua
local held = redis.call('HGET', record, ARGV[2])
local sum
-- Whole numbers are compared as text: Lua's own are exact to 2^53 only.
local function is_below(a, b)
  local a_negative, b_negative = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  if a_negative ~= b_negative then return a_negative end
  if #a ~= #b then return (#a < #b) ~= a_negative end
  return a ~= b and (a < b) ~= a_negative
end
-- Give the sum of two whole numbers of at most 20 digits, exactly.
local function sum_of(a, b)
  local high, low = 0, 0  -- of 10^10 each
  for _, text in ipairs({a, b}) do
    local sign = text:sub(1, 1) == '-' and -1 or 1
    local digits = sign < 0 and text:sub(2) or text
    high = high + sign * (tonumber(digits:sub(1, -11)) or 0)
    low = low + sign * tonumber(digits:sub(-10))
  end
  local sign = (high < 0 or high == 0 and low < 0) and -1 or 1
  high, low = sign * high, sign * low
  if low < 0 then high, low = high - 1, low + 1e10 end
  if low >= 1e10 then high, low = high + 1, low - 1e10 end
  local text = high > 0 and string.format('%.0f%010.0f', high, low) or string.format('%.0f', low)
  return sign < 0 and '-' .. text or text
end
if not held then
  if ARGV[4] == '' then return {'REFUSED', 'VALUE', 1, ''} end
  if ARGV[4] == '!' then return {'REFUSED', 'RANGE', 1, ''} end
  sum = ARGV[4]
elseif ARGV[5] == 'int' then
  if held ~= '0' and not held:find('^%-?[1-9]%d*$') then return {'REFUSED', 'VALUE', 1, held} end
  if is_below(held, ARGV[6]) or is_below(ARGV[7], held) then return {'REFUSED', 'RANGE', 1, held} end
  sum = sum_of(held, ARGV[3])
else
  local number = held:find('^[%d.eE+-]+$') and tonumber(held)
  if not number then return {'REFUSED', 'VALUE', 1, held} end
  number = number + tonumber(ARGV[3])
  if not (number >= tonumber(ARGV[6]) and number <= tonumber(ARGV[7])) then return {'REFUSED', 'RANGE', 1, held} end
  -- The shortest text that reads back the same. HINCRBYFLOAT would cut it after 17 decimals: 1e-20 becomes 0.
  for digits = 15, 17 do
    sum = string.format('%.' .. digits .. 'g', number)
    if tonumber(sum) == number then break end
  end
end
local is_indexed = indexes and indexes.places[ARGV[2]]
if is_indexed then
  local before = indexes.values_of(record)
  local after = indexes.overlay(before, ARGV[1])
  after[is_indexed] = sum
  indexes.change(record, before, after)
  local refused = indexes.prepare()
  if refused then return refused end
end
if held and ARGV[5] == 'int' then
  local _, refusal = begin_writing('HINCRBY')
  if refusal then return refusal end
  redis.call('HINCRBY', record, ARGV[2], ARGV[3])
  if is_indexed then indexes.remove() end
  return sum
end
-- HSET clears the TTL of a field. Servers before 7.4 have no such TTL, and answer with an error.
local ends = held and redis.pcall('HPEXPIRETIME', record, 'FIELDS', 1, ARGV[2]) or {}
if ends.err and not string.find(tostring(ends.err), 'nknown', 1, true) then return ends end
local is_ending = (tonumber(ends[1]) or -1) > 0
local _, refusal = begin_writing('HSET', unpack(is_ending and {'HPEXPIREAT'} or {}))
if refusal then return refusal end
redis.call('HSET', record, ARGV[2], sum)
if is_ending then redis.call('HPEXPIREAT', record, ends[1], 'FIELDS', 1, ARGV[2]) end
if is_indexed then indexes.remove() end
return sum
