-- Begins every script that writes one record: goes on only if there is one, of the version that the writer knows. After
-- permissions.lua, stamp.lua and fence.lua.
-- KEYS    as fence.lua has them; one record
-- ARGV    1 version of the model in this process
-- returns nothing written: {'REFUSED', reason, 1, stored version}; reason: INDEXES, TYPE, GONE, NEWER,
--         OLDER
local record = KEYS[first]
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local stored = redis.pcall('HGET', record, '_v')
if type(stored) == 'table' then
  if is_of_another_type(stored) then return {'REFUSED', 'TYPE', 1, ''} end
  return stored
end
local is_stamped = stored
if not stored then
  if redis.call('EXISTS', record) == 0 then return {'REFUSED', 'GONE', 1, ''} end
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
  local score = redis.pcall('ZSCORE', KEYS[1], record)
  if type(score) == 'table' then
    if is_of_another_type(score) then return nil, {'REFUSED', 'INDEX', 0, ''} end
    return nil, score
  end
  local is_member = score and tonumber(score) == 0
  if not is_stamped then demand('HSET', record) end
  -- Where the first write is its own question, it need not be asked.
  local is_first = is_member and is_stamped and is_allowed and not (indexes and indexes.is_adding)
  for i = is_first and 2 or 1, select('#', ...) do demand((select(i, ...)), record) end
  local added = is_member and 0 or redis.call('ZADD', KEYS[1], 0, record)
  local refused = indexes and indexes.add()
  if refused then
    if added == 1 then redis.pcall('ZREM', KEYS[1], record) end
    return nil, refused
  end
  if not is_stamped then redis.call('HSET', record, '_v', ARGV[1]) end
  return added
end
