-- Do one SCAN step, and find the records that are not at a version. Writes nothing.
-- ARGV    1 cursor; 2 pattern of keys; 3 COUNT; 4 version
-- returns the next cursor; how many keys there were; the keys that do not hold a hash at that version
local page, found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3]), {}
local keys, version = page[2], ARGV[4]
for i = 1, #keys do
  if redis.pcall('HGET', keys[i], '_v') ~= version then found[#found + 1] = keys[i] end
end
return {page[1], #keys, found}
