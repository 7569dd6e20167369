-- Write one whole record: what write.lua does to many, in as few steps as it takes.
-- KEYS    1 index; 2 record
-- ARGV    1 mode: any, new (no record may exist), existing (it must)
--         2 version of the model in this process
--         3 life span: '' leaves it as it is, '0' removes it, else milliseconds; '+' before them: of a new record only
--         4.. field, value, ... (fewer than 7,000)
-- returns the number of fields that were new, and 1 if the index did not have it, else 0
--         or, nothing written, {'REFUSED', reason, 1, stored version}; reason: INDEX, TYPE, EXISTS, GONE, NEWER, OLDER
local call, pcall, index, key = redis.call, redis.pcall, KEYS[1], KEYS[2]
local mode, version, life = ARGV[1], ARGV[2], ARGV[3]
local exists, stamp = call('EXISTS', key) == 1, nil
if exists then
  stamp = pcall('HGET', key, '_v')
  if type(stamp) == 'table' then return {'REFUSED', 'TYPE', 1, ''} end
  if mode == 'new' then return {'REFUSED', 'EXISTS', 1, ''} end
  local stored = stamp or '1'
  if stored ~= version then
    -- A stamp that is no number was written by something newer than anything known here.
    local held = tonumber(stored)
    return {'REFUSED', (not held or held >= tonumber(version)) and 'NEWER' or 'OLDER', 1, stored}
  end
elseif mode == 'existing' then
  return {'REFUSED', 'GONE', 1, ''}
end
-- First, because it is all that can still fail; and a member without a record is harmless.
local added = pcall('ZADD', index, 0, key)
if type(added) == 'table' then
  -- As text: fakeredis has something else there.
  if string.find(tostring(added.err), 'WRONGTYPE', 1, true) then return {'REFUSED', 'INDEX', 0, ''} end
  return added
end
local new = call('HSET', key, '_v', version, unpack(ARGV, 4))
if not stamp then new = new - 1 end
if life == '0' then
  call('PERSIST', key)
elseif life ~= '' and not (exists and string.sub(life, 1, 1) == '+') then
  call('PEXPIRE', key, (string.gsub(life, '%+', '')))
end
-- Applications of the seed give the index the life span of a record; with it, all others would go out of sight.
call('PERSIST', index)
return {new, added}
