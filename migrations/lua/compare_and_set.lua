-- Write records that the client has rewritten, each only if the fields that it read are unchanged: compare-and-set.
-- All records of one call read the same fields and change the same fields. After ttl.lua and fence.lua.
-- KEYS    as fence.lua has them; before the records (at most 100) the lease, or any key for a caller without a lease
-- ARGV    1 epoch of the caller's lease, or '' for such a caller; 2 the version to reach
--         3 '1' if this server has TTLs of hash fields, '' if not, '?' if that is not known
--         4 how many fields were read, for each: name, '1', or '0' where it was absent
--         then how many fields to set, and their names; how many to delete, and their names
--         how many TTLs of fields to copy, for each: target field, source field
--         how many changes of the records' TTL, for each: policy, ms, undo field; how many such changes are taken
--         back
--         then for each record: the bytes of the read fields that were present, those of the fields to set, and the
--         undo fields of the TTL changes that are taken back
-- returns 'FENCED', a refusal of indexes.lua, or one letter for each record: A applied, S at that version already, C changed meanwhile, G gone,
--         T not a hash. Each record is written completely or not at all.
if ARGV[1] ~= '' and redis.call('HGET', KEYS[first], 'epoch') ~= ARGV[1] then return 'FENCED' end
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local refused_index = indexes and indexes.demand_all()
if refused_index then return refused_index end
-- Locals, because Lua looks up a global by name each time.
local KEYS, ARGV, call, pcall, unpack = KEYS, ARGV, redis.call, redis.pcall, unpack
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

-- The fields that were present come first, so that their bytes are consecutive.
local asked, absent, present_count = {'HMGET', '', '_v'}, {}, 0
for _ = 1, tonumber(take()) do
  local name = take()
  if take() == '1' then
    present_count = present_count + 1
    asked[present_count + 3] = name
  else
    absent[#absent + 1] = name
  end
end
for i = 1, #absent do asked[present_count + 3 + i] = absent[i] end
local sets, deletes = list(), list()
local targets, sources = {}, {}
for i = 1, tonumber(take()) do targets[i], sources[i] = take(), take() end
local changes = {}
for i = 1, tonumber(take()) do changes[i] = {policy = take(), ms = tonumber(take()), stored = take()} end
local noted_count = tonumber(take())
-- Built once, because it is the same for all records. unpack takes fewer than 8,000 values at once.
local writes, removals = {}, {}
for from = 1, #sets, 2000 do
  local one = {'HSET', ''}
  for i = from, math.min(from + 1999, #sets) do one[2 * (i - from) + 3] = sets[i] end
  writes[#writes + 1] = {command = one, from = from, count = math.min(2000, #sets - from + 1)}
end
for from = 1, #deletes, 4000 do
  removals[#removals + 1] = {'HDEL', '', unpack(deletes, from, math.min(from + 3999, #deletes))}
end

-- Whether a record still holds what was read; ``at`` is the position before those bytes.
local function is_unchanged(values, at)
  for i = 1, present_count do
    if values[i + 1] ~= ARGV[at + i] then return false end
  end
  for i = present_count + 1, present_count + #absent do
    if values[i + 1] then return false end
  end
  return true
end

-- When the TTLs of the source fields end, in their order; nil if this server has none.
local function ends_of(key)
  if #sources == 0 or not has_lives(lives) then return nil end
  -- A hash of this encoding has no TTLs of fields, in Redis or Valkey. Asking for each field costs several times more.
  if pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end
  local ends = {}
  for from = 1, #sources, 4000 do
    local last = math.min(from + 3999, #sources)
    local found = pcall('HPEXPIRETIME', key, 'FIELDS', last - from + 1, unpack(sources, from, last))
    -- A server without the command has no such TTLs. Nothing was written yet, so any other error may be raised.
    if found.err and lives == '?' and string.find(found.err, 'nknown') then return nil end
    if found.err then error(found.err) end
    for i, ms in ipairs(found) do ends[from + i - 1] = ms end
  end
  return ends
end

-- Decide when a record expires, and which undo fields to store; ``at`` is the position before the stored undo values.
local function ending_of(key, at)
  local noted, kept = {}, {}
  for i = 1, noted_count do noted[i] = ARGV[at + i] end
  local ending = end_to_set(key, changes, noted, function(stored, text)
    kept[#kept + 1], kept[#kept + 2] = stored, text
  end)
  return ending, kept
end

local may_delete  -- once it is known
-- Write a record; ``at`` is the position before the bytes of the fields to set.
local function write(key, at)
  local ends, ending, kept = ends_of(key), nil, nil
  if #changes > 0 or noted_count > 0 then ending, kept = ending_of(key, at + #sets) end
  if not is_allowed then demand_to_write(key) end
  for i = 1, ends and #ends or 0 do
    if ends[i] > 0 then demand_once('HPEXPIREAT', key) end
  end
  if #removals > 0 and not may_delete then
    demand('HDEL', key)
    may_delete = true
  end
  demand_end(key, ending)
  -- Grow the record before it shrinks, so that full memory refuses all of it.
  for i = 1, #writes do
    local one = writes[i]
    local command, before = one.command, at + one.from - 1
    command[2] = key
    for j = 1, one.count do command[2 * j + 2] = ARGV[before + j] end
    call(unpack(command))
  end
  if kept and #kept > 0 then call('HSET', key, unpack(kept)) end
  for i = 1, ends and #ends or 0 do
    if ends[i] > 0 then call('HPEXPIREAT', key, ends[i], 'FIELDS', 1, targets[i]) end
  end
  for i = 1, #removals do
    removals[i][2] = key
    call(unpack(removals[i]))
  end
  set_end(key, ending)
end

local result, at, step = {}, place - 1, present_count + #sets + noted_count
for i = first + 1, #KEYS do
  local key = KEYS[i]
  asked[2] = key
  local values, letter = pcall(unpack(asked)), nil
  if values.err then
    -- Only a wrong type is a result for the record; any other error is raised.
    if not string.find(values.err, 'WRONGTYPE', 1, true) then error(values.err) end
    letter = 'T'
  elseif not values[1] and call('EXISTS', key) == 0 then
    letter = 'G'
  elseif (values[1] or '1') == target then
    letter = 'S'
  else
    letter = is_unchanged(values, at) and 'A' or 'C'
  end
  if letter == 'A' then
    local before = indexes and indexes.values_of(key)
    write(key, at + present_count)
    if indexes then indexes.follow(key, before) end
  end
  at = at + step
  result[i - first] = letter
end
return table.concat(result)
