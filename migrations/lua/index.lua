-- Look whether an index has what it should, and put it right if asked: the keys of records that are there, no others.
-- KEYS    1 the index, a sorted set; then keys of records
-- ARGV    1 '1' to put it right
-- returns a number a record: 0 if the index was right, 1 if it lacked the record, 2 if it had one that is gone
local found = {}
for at = 2, #KEYS do
  local is_there = redis.call('EXISTS', KEYS[at]) == 1
  local is_member = redis.call('ZSCORE', KEYS[1], KEYS[at]) ~= false
  found[at - 1] = is_there == is_member and 0 or is_there and 1 or 2
  if ARGV[1] == '1' and found[at - 1] == 1 then redis.call('ZADD', KEYS[1], 0, KEYS[at]) end
  if ARGV[1] == '1' and found[at - 1] == 2 then redis.call('ZREM', KEYS[1], KEYS[at]) end
end
return found
