-- Look at the stamps of records; writes nothing.
-- KEYS    1.. records
-- ARGV    1 a version
-- returns the places of those, from 1, that are not of that version, in whatever way
local found = {}
for i = 1, #KEYS do
  if redis.pcall('HGET', KEYS[i], '_v') ~= ARGV[1] then found[#found + 1] = i end
end
return found
