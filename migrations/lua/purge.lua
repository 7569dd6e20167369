-- Delete the undo fields that migrations up to a version stored in records. Nothing else is changed.
-- KEYS    1 the lease, or any key to count only; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease, or '' to count only; 2 the version
-- returns 'FENCED', or the number of records that had undo fields, of these fields, and of their bytes with names
if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local highest, records, fields, bytes = tonumber(ARGV[2]), 0, 0, 0
for at = 2, #KEYS do
  local names = redis.pcall('HKEYS', KEYS[at])
  if names.err and not string.find(names.err, 'WRONGTYPE', 1, true) then return names end
  local undo_names = {}
  for _, name in ipairs(names) do
    local version = string.match(name, '^_b(%d+)[.-]')
    if version and tonumber(version) <= highest then
      undo_names[#undo_names + 1] = name
      bytes = bytes + #name + redis.call('HSTRLEN', KEYS[at], name)
    end
  end
  if #undo_names > 0 then records = records + 1 end
  fields = fields + #undo_names
  if ARGV[1] ~= '' then
    for first = 1, #undo_names, 1000 do
      redis.call('HDEL', KEYS[at], unpack(undo_names, first, math.min(first + 999, #undo_names)))
    end
  end
end
return {records, fields, bytes}
