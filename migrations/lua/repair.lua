-- Set fields of a quarantined record, all or none, if it is as the caller saw it. After permissions.lua and
-- fence.lua.
-- KEYS    as fence.lua has them, then the lease, the quarantine and the record
-- ARGV    1 epoch of the caller's lease; 2 how many fields to compare, then for each: name, '1' and its bytes, or '0'
--         and '' if it was absent; then name and bytes of each field to set
-- returns 'FENCED', a refusal of indexes.lua, 'OUT' if the record left the quarantine, 'GONE', 'TYPE' if it is not a hash, 'CHANGED', or 'OK'.
--         TTLs of fields stay.
local lease, quarantine, record = unpack(KEYS, first)
if redis.call('HGET', lease, 'epoch') ~= ARGV[1] then return 'FENCED' end
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local refused_index = indexes and indexes.demand_all()
if refused_index then return refused_index end
if redis.call('HEXISTS', quarantine, record) == 0 then return 'OUT' end
if redis.call('EXISTS', record) == 0 then return 'GONE' end
local from = 3 + 3 * tonumber(ARGV[2])
for at = 3, from - 1, 3 do
  local held = redis.pcall('HGET', record, ARGV[at])
  if type(held) == 'table' and held.err then
    return string.find(held.err, 'WRONGTYPE', 1, true) and 'TYPE' or held
  end
  if ARGV[at + 1] == '1' and held ~= ARGV[at + 2] or ARGV[at + 1] == '0' and held then return 'CHANGED' end
end
-- HSET removes the TTL of a field, so set it again. Servers before 7.4 have none, and reply with an error.
local ends = {}
for at = from, #ARGV, 2 do
  local told = redis.pcall('HPEXPIRETIME', record, 'FIELDS', 1, ARGV[at])
  if told.err and not string.find(told.err, 'nknown', 1, true) then return told end
  local life = not told.err and told[1]
  if life and life > 0 then ends[ARGV[at]] = life end
end
if next(ends) then demand('HPEXPIREAT', record) end
local before = indexes and indexes.values_of(record)
for at = from, #ARGV, 2 do redis.call('HSET', record, ARGV[at], ARGV[at + 1]) end
for name, life in pairs(ends) do redis.call('HPEXPIREAT', record, life, 'FIELDS', 1, name) end
if indexes then indexes.follow(record, before) end
return 'OK'
