-- Set fields of a quarantined record, all or none, if it is as the caller saw it. After permissions.lua.
-- KEYS    1 the lease; 2 the quarantine; 3 the record
-- ARGV    1 epoch of the caller's lease; 2 how many fields to compare, then for each: name, '1' and its bytes, or '0'
--         and '' if it was absent; then name and bytes of each field to set
-- returns 'FENCED', 'OUT' if the record left the quarantine, 'GONE', 'TYPE' if it is not a hash, 'CHANGED', or 'OK'.
--         TTLs of fields stay.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
if redis.call('HEXISTS', KEYS[2], KEYS[3]) == 0 then return 'OUT' end
if redis.call('EXISTS', KEYS[3]) == 0 then return 'GONE' end
local first = 3 + 3 * tonumber(ARGV[2])
for at = 3, first - 1, 3 do
  local held = redis.pcall('HGET', KEYS[3], ARGV[at])
  if type(held) == 'table' and held.err then
    return string.find(held.err, 'WRONGTYPE', 1, true) and 'TYPE' or held
  end
  if ARGV[at + 1] == '1' and held ~= ARGV[at + 2] or ARGV[at + 1] == '0' and held then return 'CHANGED' end
end
-- HSET removes the TTL of a field, so set it again. Servers before 7.4 have none, and reply with an error.
local ends = {}
for at = first, #ARGV, 2 do
  local told = redis.pcall('HPEXPIRETIME', KEYS[3], 'FIELDS', 1, ARGV[at])
  if told.err and not string.find(told.err, 'nknown', 1, true) then return told end
  local life = not told.err and told[1]
  if life and life > 0 then ends[ARGV[at]] = life end
end
if next(ends) then demand('HPEXPIREAT', KEYS[3]) end
for at = first, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) end
for name, life in pairs(ends) do redis.call('HPEXPIREAT', KEYS[3], life, 'FIELDS', 1, name) end
return 'OK'
