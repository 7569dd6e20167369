-- Begins every script that writes one record: goes on only if there is one, of the version that the writer knows. After
-- permissions.lua and stamp.lua.
-- KEYS    1 index; 2 record
-- ARGV    1 version of the model in this process
-- returns nothing written: {'REFUSED', reason, 1, stored version}; reason: TYPE, GONE, NEWER, OLDER
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
  local is_older = (version_of(stored) or math.huge) < tonumber(ARGV[1])
  return {'REFUSED', is_older and 'OLDER' or 'NEWER', 1, stored}
end
-- Put the record into the index, unless it is there, and stamp it, unless it is stamped: before the first write, all that
-- follows is demanded. Takes the commands that the script calls then, in their order. Gives 1 if the index did not have
-- the record, else 0; or nil and what the script is to return.
local function begin_writing(...)
  local score = redis.pcall('ZSCORE', KEYS[1], KEYS[2])
  if type(score) == 'table' then
    if is_of_another_type(score) then return nil, {'REFUSED', 'INDEX', 0, ''} end
    return nil, score
  end
  local is_member = score and tonumber(score) == 0
  if not is_stamped then demand('HSET', KEYS[2]) end
  -- Where the first write is its own question, it need not be asked.
  for i = is_member and is_stamped and is_allowed and 2 or 1, select('#', ...) do demand((select(i, ...)), KEYS[2]) end
  local added = is_member and 0 or redis.call('ZADD', KEYS[1], 0, KEYS[2])
  if not is_stamped then redis.call('HSET', KEYS[2], '_v', ARGV[1]) end
  return added
end
