-- Take one step of SCAN, and look which of the records that it meets are not of a version; writes nothing.
-- ARGV    1 cursor; 2 pattern of keys; 3 how many keys to look at, about; 4 version
-- returns the cursor of the next step; how many keys there were; those that hold no hash of that version
local page, found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3]), {}
local keys, version = page[2], ARGV[4]
for i = 1, #keys do
  if redis.pcall('HGET', keys[i], '_v') ~= version then found[#found + 1] = keys[i] end
end
return {page[1], #keys, found}
