-- Take over records that pydantic-aioredis wrote: stamp, key and place in the index, each record whole or not at all.
-- After permissions.lua and once.lua.
-- KEYS    1 the lease; 2 the index; 3 what is left of the old index
--         4.. for each record (at most 100): its key, and the key that it is to have
-- ARGV    1 epoch of the caller's lease; 2 field of the primary key
--         then for each record: what to do, and what it held as its primary key ('' for nothing)
--           take   stamp it unless it has a stamp, rename it, put it into the index
--           index  only put it into the index
--           drop   it seemed to be gone: let the indexes forget it
-- returns 'FENCED', 'INDEX' (what lies there is no sorted set), or a number a record: the sum of 1 stamped, 2 renamed,
--         4 new in the index; or -1 gone, -2 changed meanwhile, -3 another record has the key that it is to have
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local index, left, primary_key = KEYS[2], KEYS[3], ARGV[2]
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
    if not is_allowed then demand_once('ZADD', index) end  -- else the first write is the question
    demand_once('SREM', left)
    local new = redis.call('ZADD', index, 0, source)
    redis.call('SREM', left, source)
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
  -- It grows before it shrinks, so that full memory refuses the record whole. Neither command touches a life span.
  local code = redis.call('HSETNX', source, '_v', '1')
  if source ~= target then
    redis.call('RENAME', source, target)
    redis.call('ZREM', index, source)
    code = code + 2
  end
  code = code + 4 * redis.call('ZADD', index, 0, target)
  redis.call('SREM', left, source)
  return code
end

local result = {}
for i = 4, #KEYS, 2 do
  result[#result + 1] = adopt(KEYS[i], KEYS[i + 1], ARGV[i - 1], ARGV[i])
end
return result
