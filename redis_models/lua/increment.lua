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
if not held then
  if ARGV[4] == '' then return {'REFUSED', 'VALUE', 1, ''} end
  if ARGV[4] == '!' then return {'REFUSED', 'RANGE', 1, ''} end
  sum = ARGV[4]
elseif ARGV[5] == 'int' then
  if held ~= '0' and not held:find('^%-?[1-9]%d*$') then return {'REFUSED', 'VALUE', 1, held} end
  if is_below(held, ARGV[6]) or is_below(ARGV[7], held) then return {'REFUSED', 'RANGE', 1, held} end
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
-- Compute what a sum does to the indexes. Gives a refusal, or nil.
local function prepare_indexes(text)
  local before = indexes.values_of(record)
  local after = indexes.overlay(before, ARGV[1])
  after[indexes.place_of(ARGV[2])] = text
  indexes.change(record, before, after)
  return indexes.prepare(function() return 1 end)
end
local is_indexed = indexes and indexes.place_of(ARGV[2])
if not sum then
  if is_indexed then
    -- The server adds exactly, and Lua does not: add, look, and take it back, before anything else is written.
    demand('HINCRBY', record)
    redis.call('HINCRBY', record, ARGV[2], ARGV[3])
    local text = redis.call('HGET', record, ARGV[2])
    local by = string.sub(ARGV[3], 1, 1) == '-' and string.sub(ARGV[3], 2) or '-' .. ARGV[3]
    if by == '9223372036854775808' then  -- more than the server adds at once
      redis.call('HINCRBY', record, ARGV[2], '9223372036854775807')
      by = '1'
    end
    redis.call('HINCRBY', record, ARGV[2], by)
    local refused = prepare_indexes(text)
    if refused then return refused end
  end
  local _, refusal = begin_writing('HINCRBY')
  if refusal then return refusal end
  redis.call('HINCRBY', record, ARGV[2], ARGV[3])
  if is_indexed then indexes.remove() end
  return redis.call('HGET', record, ARGV[2])  -- not its reply, which Lua rounds
end
-- HSET clears the TTL of a field. Servers before 7.4 have no such TTL, and answer with an error.
local ends = held and redis.pcall('HPEXPIRETIME', record, 'FIELDS', 1, ARGV[2]) or {}
if ends.err and not string.find(tostring(ends.err), 'nknown', 1, true) then return ends end
local is_ending = (tonumber(ends[1]) or -1) > 0
local refused = is_indexed and prepare_indexes(sum)
if refused then return refused end
local _, refusal = begin_writing('HSET', unpack(is_ending and {'HPEXPIREAT'} or {}))
if refusal then return refusal end
redis.call('HSET', record, ARGV[2], sum)
if is_ending then redis.call('HPEXPIREAT', record, ends[1], 'FIELDS', 1, ARGV[2]) end
if is_indexed then indexes.remove() end
return sum
