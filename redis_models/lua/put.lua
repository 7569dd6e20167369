-- Write one whole record: what write.lua does to many, in as few steps as it takes. After permissions.lua, stamp.lua
-- and whole.lua.
-- KEYS    1 index; 2 record
-- ARGV    1 mode: any, new (no record may exist), existing (it must); ' 1:' and a stamp behind it: replaces one of that
--         older version as it is
--         2 version of the model in this process
--         3 TTL: '' leaves it as it is, '0' removes it, else milliseconds; '+' before them: of a new record only
--         4.. field, value, ... (fewer than 7,000)
-- returns the number of fields that were new, and 1 if the index did not have it, else 0
--         or, nothing written, {'REFUSED', reason, 1, stored version}; reason: INDEX, TYPE, EXISTS, GONE, NEWER, OLDER
local call, pcall, index, key = redis.call, redis.pcall, KEYS[1], KEYS[2]
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
local exists, stamp, remove_rest = call('EXISTS', key) == 1, nil, nil
if exists then
  stamp = pcall('HGET', key, '_v')
  if type(stamp) == 'table' then
    if is_of_another_type(stamp) then return {'REFUSED', 'TYPE', 1, ''} end
    return stamp
  end
  if mode == 'new' then return {'REFUSED', 'EXISTS', 1, ''} end
  local stored = stamp or '1'
  if stored ~= version then
    local is_older = (version_of(stored) or math.huge) < tonumber(version)
    remove_rest = is_older and replacement(key, mode, 1, stored)
    if not remove_rest then return {'REFUSED', is_older and 'OLDER' or 'NEWER', 1, stored} end
  end
elseif string.sub(mode, 1, 8) == 'existing' then
  return {'REFUSED', 'GONE', 1, ''}
end
local ending
if life == '0' then
  ending = exists and 'PERSIST'
elseif life ~= '' and not (exists and string.sub(life, 1, 1) == '+') then
  ending = 'PEXPIRE'
end
-- pydantic-aioredis gives the index the TTL of a record; when the index expired, all records would be out of sight.
local is_ending = call('PTTL', index) >= 0
demand('HSET', key)
if ending then demand(ending, key) end
if is_ending then demand('PERSIST', index) end
-- First, because it is all that can still fail; and a member without a record is harmless.
local added = pcall('ZADD', index, 0, key)
if type(added) == 'table' then
  if is_of_another_type(added) then return {'REFUSED', 'INDEX', 0, ''} end
  return added
end
local new = call('HSET', key, '_v', version, unpack(ARGV, 4))
if not stamp then new = new - 1 end
if remove_rest then remove_rest(4, #ARGV, 2) end
if ending == 'PERSIST' then
  call('PERSIST', key)
elseif ending then
  call('PEXPIRE', key, (string.gsub(life, '%+', '')))
end
if is_ending then call('PERSIST', index) end
return {new, added}
