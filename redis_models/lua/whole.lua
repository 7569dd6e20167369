-- Replacement of older records that no migration can upgrade by whole ones. A function only; the script that follows
-- calls it. After permissions.lua and stamp.lua.

-- Give a function that removes the other fields of an older record after its replacement: all but the names at every
-- ``step`` of ARGV. It removes last, so that full memory refuses the whole script. Gives nil if the record must not be
-- replaced: ``mode`` has its place and its stamp, as in 'any 3:1'. Checks all permissions, and writes nothing.
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
