-- Begins every script that writes one record: goes on only if there is one, of the version that the writer knows.
-- KEYS    1 index; 2 record
-- ARGV    1 version of the model in this process
-- returns nothing written: {'REFUSED', reason, 1, stored version}; reason: TYPE, GONE, NEWER, OLDER
-- As text: fakeredis has something else there.
local function is_of_another_type(reply) return string.find(tostring(reply.err), 'WRONGTYPE', 1, true) end
local stored = redis.pcall('HGET', KEYS[2], '_v')
if type(stored) == 'table' then
  if is_of_another_type(stored) then return {'REFUSED', 'TYPE', 1, ''} end
  return stored
end
local is_stamped = stored
if not stored then
  if redis.call('EXISTS', KEYS[2]) == 0 then return {'REFUSED', 'GONE', 1, ''} end
  stored = '1'
end
if stored ~= ARGV[1] then
  -- A stamp that is no number was written by something newer than anything known here.
  local held = tonumber(stored)
  if not held or held >= tonumber(ARGV[1]) then return {'REFUSED', 'NEWER', 1, stored} end
  return {'REFUSED', 'OLDER', 1, stored}
end
-- Put the record into the index and stamp it: the first write, because it is all that can still fail, and a member
-- without a record is harmless. Gives 1 if the index did not have it, else 0; or nil and what the script is to return.
local function begin_writing()
  local added = redis.pcall('ZADD', KEYS[1], 0, KEYS[2])
  if type(added) == 'table' then
    if is_of_another_type(added) then return nil, {'REFUSED', 'INDEX', 0, ''} end
    return nil, added
  end
  if not is_stamped then redis.call('HSET', KEYS[2], '_v', ARGV[1]) end
  return added
end
