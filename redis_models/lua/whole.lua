-- Whole records in the place of older ones that no migration can bring up. A function only; the script that follows calls
-- it. After permissions.lua and stamp.lua.

-- Give what takes the rest of an older record away, behind its replacement, so that full memory refuses it whole: all that
-- the record held but for the names at every ``step`` of ARGV. Gives nil where the record is not to be replaced: ``mode``
-- names its place and the stamp that it has, as in 'any 3:1'. Asks all that can be refused, and writes nothing.
local function replacement(key, mode, place, stored)
  if not string.find(mode .. ' ', ' ' .. place .. ':' .. stored .. ' ', 1, true) then return nil end
  if not is_allowed then demand('HSET', key) end
  demand('HDEL', key)
  local held = redis.call('HKEYS', key)
  return function(first, last, step)
    local kept, rest = {_v = true}, {}
    for i = first, last, step do kept[ARGV[i]] = true end
    for _, name in ipairs(held) do
      if not kept[name] then rest[#rest + 1] = name end
    end
    for from = 1, #rest, 4000 do redis.call('HDEL', key, unpack(rest, from, math.min(#rest, from + 3999))) end
  end
end
