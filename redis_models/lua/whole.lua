-- Whole records in the place of older ones that no migration can bring up. Functions only; the script that follows calls
-- them. After permissions.lua and stamp.lua.

-- Whether an older record is to be replaced as it is: ``mode`` names its place and the stamp that it has, as in 'any 3:1'.
local function replaces(mode, place, stored)
  return string.find(mode .. ' ', ' ' .. place .. ':' .. stored .. ' ', 1, true)
end

-- Ask what a record holds that is to be replaced, before anything is written.
local function held_by(key)
  demand('HDEL', key)
  return redis.call('HKEYS', key)
end

-- Take the rest of the old record away behind its replacement, so that full memory refuses it whole: all that it ``held``
-- but for the names at every ``step`` of ARGV.
local function remove_rest(key, held, first, last, step)
  local kept, rest = {_v = true}, {}
  for i = first, last, step do kept[ARGV[i]] = true end
  for _, name in ipairs(held) do
    if not kept[name] then rest[#rest + 1] = name end
  end
  for from = 1, #rest, 4000 do redis.call('HDEL', key, unpack(rest, from, math.min(#rest, from + 3999))) end
end
