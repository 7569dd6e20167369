-- Take members out of an index of fields whose records are gone or have another entry, unless they were written since
-- they were looked at. Adds nothing, and fails where it may not write, as on a replica, without an error.
-- KEYS    1 index; 2.. records (at most 200), one for each member
-- ARGV    1 how many fields, 0 to look only whether the record is gone; 2.. their names; then for each record: the member, and for each field '1' and the value that
--         it had, or '' and '' if it was not there
-- returns how many members were removed
local count, removed = tonumber(ARGV[1]), 0
local names = {unpack(ARGV, 2, count + 1)}
local place = count + 2
for i = 2, #KEYS do
  local values = count > 0 and redis.pcall('HMGET', KEYS[i], unpack(names))
  local is_same = count == 0 and redis.call('EXISTS', KEYS[i]) == 0 or values and not values.err
  for j = 1, is_same and count or 0 do
    local was = ARGV[place + 2 * j - 1] == '1' and ARGV[place + 2 * j]
    is_same = is_same and values[j] == was
  end
  if is_same then
    local reply = redis.pcall('ZREM', KEYS[1], ARGV[place])
    if type(reply) == 'number' then removed = removed + reply end
  end
  place = place + 1 + 2 * count
end
return removed
