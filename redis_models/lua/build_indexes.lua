-- Enter records into the indexes that are being built. After permissions.lua and fence.lua.
-- KEYS    as fence.lua has them; at most 100 records
-- ARGV    places of the indexes to fill
-- returns {'REFUSED', reason, ...} of indexes.lua, or for each value that a unique index cannot take: place of the index,
--         key of the record, and key of the record that has the value, or '' if it is too long or has no entry
if not indexes or has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local building, refused = {}, {}
for i = 1, #ARGV do
  building[tonumber(ARGV[i])] = true
  demand('ZADD', KEYS[3 + ARGV[i]])
end
for i = first, #KEYS do
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then
    local refusal, found = indexes.enter(KEYS[i], building)
    if refusal then return refusal end
    for _, what in ipairs(found) do refused[#refused + 1] = what end
  end
end
return refused
