-- Write records that the client has rewritten, each only if what it was made of is still there: compare-and-set.
-- KEYS    1 the lease; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease, or '' for a caller that needs none; 2 the version that they are to have
--         3 '1' if this server has life spans of hash fields
--         4.. for each record:
--           how many fields were read, for each: name, '1' and its bytes, or '0' and '' where it was absent
--           how many arguments to set, then field, value, ...
--           how many fields to delete, then their names
--           how many life spans to carry, for each: target field, source field
-- returns 'FENCED', or one letter a record: A applied, S is at that version already, C something changed meanwhile,
--         G gone, T no hash. Each record is written whole or not at all.
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local target, lives = ARGV[2], ARGV[3] == '1'
local place = 4
local function list()
  local first = place + 1
  place = first + tonumber(ARGV[place])
  return first, place - 1
end

local function is_unchanged(key, first, last)
  local names = {}
  for i = first, last, 3 do names[#names + 1] = ARGV[i] end
  local values = redis.call('HMGET', key, unpack(names))
  for i, raw in ipairs(values) do
    local at = first + 3 * (i - 1)
    if raw then
      if ARGV[at + 1] ~= '1' or raw ~= ARGV[at + 2] then return false end
    elseif ARGV[at + 1] == '1' then
      return false
    end
  end
  return true
end

local function letter_of(key, first, last)
  local stamp = redis.pcall('HGET', key, '_v')
  if type(stamp) == 'table' then return 'T' end
  if not stamp and redis.call('EXISTS', key) == 0 then return 'G' end
  if (stamp or '1') == target then return 'S' end
  return is_unchanged(key, first, last) and 'A' or 'C'
end

local result = {}
for i = 2, #KEYS do
  local key = KEYS[i]
  local read, read_last = list()
  local set, set_last = list()
  local delete, delete_last = list()
  local carry, carry_last = list()
  local letter = letter_of(key, read, read_last)
  if letter == 'A' then
    local ends = {}
    if lives then
      for at = carry, carry_last, 2 do
        ends[at] = redis.call('HPEXPIRETIME', key, 'FIELDS', 1, ARGV[at + 1])[1]
      end
    end
    -- It grows before it shrinks; unpack takes fewer than 8,000 values at once.
    for at = set, set_last, 4000 do
      redis.call('HSET', key, unpack(ARGV, at, math.min(at + 3999, set_last)))
    end
    for at, ms in pairs(ends) do
      if ms > 0 then redis.call('HPEXPIREAT', key, ms, 'FIELDS', 1, ARGV[at]) end
    end
    for at = delete, delete_last, 4000 do
      redis.call('HDEL', key, unpack(ARGV, at, math.min(at + 3999, delete_last)))
    end
  end
  result[i - 1] = letter
end
return table.concat(result)
