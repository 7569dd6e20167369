-- Write records that the client has rewritten, each only if what it was made of is still there: compare-and-set.
-- All records of one call were made of the same fields, and are changed in the same fields. Behind lives.lua.
-- KEYS    1 the lease, or any for a caller that needs none; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease, or '' for such a caller; 2 the version that they are to have
--         3 '1' if this server has life spans of hash fields, '' if not, '?' if nobody asked
--         4 how many fields were read, for each: name, '1', or '0' where it was absent
--         then how many fields to set, and their names; how many to delete, and their names
--         how many life spans to carry, for each: target field, source field
--         how many changes of the records' life spans, for each: policy, ms, field that keeps the one before; how many
--         such changes are taken back
--         then for each record: the bytes of the read fields that were present, those of the fields to set, and what
--         the changes of its life span kept that are taken back
-- returns 'FENCED', or one letter a record: A applied, S is at that version already, C something changed meanwhile,
--         G gone, T no hash. Each record is written whole or not at all.
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local target, lives = ARGV[2], ARGV[3]
local place = 4
local function take()
  place = place + 1
  return ARGV[place - 1]
end
local function list()
  local found = {}
  for i = 1, tonumber(take()) do found[i] = take() end
  return found
end

local reads, present = {}, {}
for i = 1, tonumber(take()) do
  reads[i] = take()
  present[i] = take() == '1'
end
local sets, deletes = list(), list()
local targets, sources = {}, {}
for i = 1, tonumber(take()) do targets[i], sources[i] = take(), take() end
local changes = {}
for i = 1, tonumber(take()) do changes[i] = {policy = take(), ms = tonumber(take()), stored = take()} end
local noted_count = tonumber(take())

-- Whether the record still holds what was read; leaves ``place`` behind the bytes that were read.
local function is_unchanged(values)
  local same = true
  for i = 1, #reads do
    if present[i] then
      if values and values[i + 1] ~= take() then same = false end
      if not values then place = place + 1 end
    elseif values and values[i + 1] then
      same = false
    end
  end
  return same
end

local function letter_of(key)
  local values = redis.pcall('HMGET', key, '_v', unpack(reads))
  if values.err then
    -- Only another type is a fact about the record; anything else that the server refuses is raised.
    if not string.find(values.err, 'WRONGTYPE', 1, true) then error(values.err) end
    is_unchanged(nil)
    return 'T'
  end
  local same = is_unchanged(values)
  if not values[1] and redis.call('EXISTS', key) == 0 then return 'G' end
  if (values[1] or '1') == target then return 'S' end
  return same and 'A' or 'C'
end

-- When the life spans of the sources end, in their order; nil where this server has none.
local function ends_of(key)
  if lives == '' or #sources == 0 then return nil end
  -- A hash of this encoding has none, on either engine; asking for each field costs several times more.
  if redis.pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end
  local ends = {}
  for from = 1, #sources, 4000 do
    local last = math.min(from + 3999, #sources)
    local found = redis.pcall('HPEXPIRETIME', key, 'FIELDS', last - from + 1, unpack(sources, from, last))
    -- What a server does not know of, it does not have; nothing was written yet, so anything else may be raised.
    if found.err and lives == '?' and string.find(found.err, 'nknown') then return nil end
    if found.err then error(found.err) end
    for i, ms in ipairs(found) do ends[from + i - 1] = ms end
  end
  return ends
end

local function write(key, first)
  local ends = ends_of(key)
  local noted, kept = {}, {}
  for i = 1, noted_count do noted[i] = ARGV[first + #sets + i - 1] end
  local ending = end_to_set(key, changes, noted, function(stored, text)
    kept[#kept + 1], kept[#kept + 2] = stored, text
  end)
  -- It grows before it shrinks; unpack takes fewer than 8,000 values at once.
  for from = 1, #sets, 2000 do
    local pairs = {}
    for i = from, math.min(from + 1999, #sets) do
      pairs[#pairs + 1] = sets[i]
      pairs[#pairs + 1] = ARGV[first + i - 1]
    end
    redis.call('HSET', key, unpack(pairs))
  end
  if #kept > 0 then redis.call('HSET', key, unpack(kept)) end
  for i, ms in ipairs(ends or {}) do
    if ms > 0 then redis.call('HPEXPIREAT', key, ms, 'FIELDS', 1, targets[i]) end
  end
  for from = 1, #deletes, 4000 do
    redis.call('HDEL', key, unpack(deletes, from, math.min(from + 3999, #deletes)))
  end
  set_end(key, ending)
end

local result = {}
for i = 2, #KEYS do
  local letter = letter_of(KEYS[i])
  if letter == 'A' then write(KEYS[i], place) end
  place = place + #sets + noted_count
  result[i - 1] = letter
end
return table.concat(result)
