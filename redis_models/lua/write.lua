-- Write records of one model, all or none: the guard that every write of the library passes. After permissions.lua,
-- stamp.lua, whole.lua and fence.lua.
-- KEYS    as fence.lua has them; at most 100 records
-- ARGV    1 mode: any, new (no record may exist), existing (all must); behind it, for each record of an older version
--         that is replaced as it is: ' ', its place from 1, ':', its stamp
--         2 version of the model in this process
--         3 TTL: '' leaves it as it is, '0' removes it, else milliseconds; '+' before them: of new records only
--         4 how many fields each record has (at most 3000), then their names, then for each record its values;
--           or '' where they differ, then for each record: how many arguments follow, and these: field, value, ...
-- returns for each record the number of fields that were new, then 1 if the index did not have it, else 0
--         or, nothing written, {'REFUSED', reason, place of a record from 1, stored version, ...}
--         reason: INDEXES, INDEX, TYPE, EXISTS, GONE, NEWER (one record), OLDER (all that are), those of indexes.lua
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
-- Redis does not roll back a script that fails, so everything that could fail is asked before the first write.
local scores = redis.pcall('ZMSCORE', KEYS[1], unpack(KEYS, first))
if scores.err then
  if is_of_another_type(scores) then return {'REFUSED', 'INDEX', 0, ''} end
  return scores
end
local stamps, existed, befores, remove_rest, older = {}, {}, {}, {}, {'REFUSED', 'OLDER'}
local must_exist = string.sub(mode, 1, 8) == 'existing'
if indexes and has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
-- One question for all of them, and for definitions of indexes, settles what is new; most often all are.
if must_exist or redis.call('EXISTS', unpack(KEYS, indexes and first or 2)) > 0 then
  if not indexes and has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
  for i = first, #KEYS do
    local stored
    if indexes then
      local before = redis.pcall('HMGET', KEYS[i], unpack(indexes.asked))
      stored = before.err and before or before[#indexes.asked]
      befores[KEYS[i]] = before
    else
      stored = redis.pcall('HGET', KEYS[i], '_v')
    end
    if type(stored) == 'table' then
      if is_of_another_type(stored) then return {'REFUSED', 'TYPE', i - first + 1, ''} end
      return stored
    end
    stamps[KEYS[i]] = stored
    if not stored and redis.call('EXISTS', KEYS[i]) == 1 then stored = '1' end
    existed[KEYS[i]] = stored and true
    if stored and mode == 'new' then return {'REFUSED', 'EXISTS', i - first + 1, ''} end
    if not stored and must_exist then return {'REFUSED', 'GONE', i - first + 1, ''} end
    if stored and stored ~= version then
      if (version_of(stored) or math.huge) >= tonumber(version) then return {'REFUSED', 'NEWER', i - first + 1, stored} end
      remove_rest[KEYS[i]] = replacement(KEYS[i], mode, i - first + 1, stored)
      if not remove_rest[KEYS[i]] then older[#older + 1], older[#older + 2] = i - first + 1, stored end
    end
  end
end
if older[3] then return older end
local of_new_only, milliseconds = life:sub(1, 1) == '+', life:gsub('%+', '')
-- pydantic-aioredis gives the index the TTL of a record; when the index expired, all records would be out of sight.
local is_index_ending = redis.call('PTTL', KEYS[1]) >= 0
demand('HSET', KEYS[first])
if life == '0' then
  demand('PERSIST', KEYS[first])
elseif life ~= '' then
  for i = first, #KEYS do
    if not (of_new_only and existed[KEYS[i]]) then
      demand('PEXPIRE', KEYS[i])
      break
    end
  end
end
if is_index_ending then demand('PERSIST', KEYS[1]) end
local count = tonumber(ARGV[4])
if indexes then
  local place_of, places, found = {}, indexes.places, {}
  for j = 1, count or 0 do
    if places[ARGV[4 + j]] then found[#found + 1] = j end
  end
  local at = 5 + (count or 0)
  for i = first, #KEYS do
    local key = KEYS[i]
    -- Of a record that is given twice, the second one is written over the first.
    local before = place_of[key] and indexes.values_of(key) or existed[key] and befores[key] or nil
    local after = indexes.overlay(not remove_rest[key] and before, version)
    if count then
      for j = 1, #found do after[places[ARGV[4 + found[j]]]] = ARGV[at + found[j] - 1] end
      at = at + count
    else
      local last = at + tonumber(ARGV[at])
      for j = at + 1, last, 2 do
        local place = places[ARGV[j]]
        if place then after[place] = ARGV[j + 1] end
      end
      at = last + 1
    end
    indexes.change(key, before, after)
    place_of[key] = i - first + 1
  end
  local refused = indexes.prepare(place_of)
  if refused then return refused end
end
-- First, so that a user who may not write the index leaves no record outside of it; a member without one is harmless.
local members, added = {}, {}
for i = first, #KEYS do
  if scores[i - first + 1] or added[KEYS[i]] then
    -- It is there, or will be.
  elseif #KEYS == first then
    added[KEYS[i]] = redis.call('ZADD', KEYS[1], 0, KEYS[i])
  else
    added[KEYS[i]] = 1
    members[#members + 1], members[#members + 2] = 0, KEYS[i]
  end
end
if members[1] then redis.call('ZADD', KEYS[1], unpack(members)) end
local refused = indexes and indexes.add()
if refused then
  for key, is_new in pairs(added) do
    if is_new == 1 then redis.pcall('ZREM', KEYS[1], key) end
  end
  return refused
end
local result, place = {}, 5
-- What is the same for all records stands there once; the stamp goes with the fields.
local fields = {'HSET', '', '_v', version}
for j = 1, count or 0 do fields[2 * j + 3] = ARGV[4 + j] end
if count then place = place + count end
for i = first, #KEYS do
  local key = KEYS[i]
  local new = stamps[key] and 0 or -1
  stamps[key] = version
  if count then
    fields[2] = key
    for j = 1, count do fields[2 * j + 4] = ARGV[place + j - 1] end
    new = new + redis.call(unpack(fields))
    if remove_rest[key] then remove_rest[key](5, 4 + count, 1) end
    place = place + count
  else
    local first, last = place + 1, place + tonumber(ARGV[place])
    -- unpack takes fewer than 8,000 values at once.
    repeat
      local upto = math.min(last, place + 4000)
      new = new + redis.call('HSET', key, '_v', version, unpack(ARGV, place + 1, upto))
      place = upto
    until place == last
    if remove_rest[key] then remove_rest[key](first, last, 2) end
    place = place + 1
  end
  if life == '0' then
    redis.call('PERSIST', key)
  elseif life ~= '' and not (of_new_only and existed[key]) then
    redis.call('PEXPIRE', key, milliseconds)
  end
  result[#result + 1], result[#result + 2] = new, added[key] or 0
  added[key] = nil
end
if is_index_ending then redis.call('PERSIST', KEYS[1]) end
if indexes then indexes.remove() end
return result
