-- Adopt records that pydantic-aioredis wrote: stamp, key and index entry; each record completely or not at all.
-- After permissions.lua, once.lua and fence.lua.
-- KEYS    as fence.lua has them; the lease; what is left of the old index; then for each record (at most 100): its key, and
--         its new key
-- ARGV    1 epoch of the caller's lease; 2 field of the primary key
--         then for each record: what to do, and the value of its primary key ('' if absent)
--           take   stamp it unless it has a stamp, rename it, add it to the index
--           index  only add it to the index
--           drop   the record did not exist: remove it from both indexes
-- returns 'FENCED', a refusal of indexes.lua, 'INDEX' (the index is not a sorted set), or a number for each record: the sum of 1 stamped,
--         2 renamed, 4 new in the index; or -1 gone, -2 changed meanwhile, -3 another record has the new key
if redis.call('HGET', KEYS[first], 'epoch') ~= ARGV[1] then return 'FENCED' end
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local refused_index = indexes and indexes.demand_all()
if refused_index then return refused_index end
local index, left, primary_key = KEYS[1], KEYS[first + 1], ARGV[2]
-- Bring the indexes of fields to what a record holds that had another key until now, or none of its own in the index.
local function enter(key, former)
  if indexes then indexes.renamed(key, indexes.name_of(former or key), 1) end
end
local size = redis.pcall('ZCARD', index)
if type(size) == 'table' then return is_of_another_type(size) and 'INDEX' or size end

local function adopt(source, target, deed, held)
  if redis.call('EXISTS', source) == 0 then
    demand_once('ZREM', index)
    redis.call('SREM', left, source)
    redis.call('ZREM', index, source)
    return -1
  end
  if deed == 'drop' or redis.call('TYPE', source).ok ~= 'hash' then return -2 end
  if deed == 'index' then
    if not is_allowed then demand_once('ZADD', index) end  -- else the first write itself is checked
    demand_once('SREM', left)
    local new = redis.call('ZADD', index, 0, source)
    redis.call('SREM', left, source)
    enter(source)
    return 4 * new
  end
  if (redis.call('HGET', source, primary_key) or '') ~= held then return -2 end
  if source ~= target and redis.call('EXISTS', target) == 1 then return -3 end
  demand_once('ZADD', index)
  demand_once('SREM', left)
  if source ~= target then
    demand_once('RENAME', source, target)
    demand_once('ZREM', index)
  end
  -- Grow the record before it shrinks, so that full memory refuses all of it. Neither command changes a TTL.
  local code = redis.call('HSETNX', source, '_v', '1')
  if source ~= target then
    redis.call('RENAME', source, target)
    redis.call('ZREM', index, source)
    code = code + 2
  end
  code = code + 4 * redis.call('ZADD', index, 0, target)
  redis.call('SREM', left, source)
  enter(target, source)
  return code
end

local result = {}
for i = first + 2, #KEYS, 2 do
  local at = i - first + 1
  result[#result + 1] = adopt(KEYS[i], KEYS[i + 1], ARGV[at], ARGV[at + 1])
end
return result
