-- Delete records of one model, and their members of its index.
-- KEYS    1 index; 2.. records (at most 100)
-- returns {records that existed, members that were removed}
local records, members = 0, 0
for i = 2, #KEYS do
  records = records + redis.call('UNLINK', KEYS[i])
  members = members + redis.call('ZREM', KEYS[1], KEYS[i])
end
return {records, members}
