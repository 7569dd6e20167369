-- Enter records into the indexes that are being built, and put right whether they are among the others. After
-- permissions.lua and fence.lua.
-- KEYS    as fence.lua has them; at most 100 records
-- ARGV    places of the indexes to fill
-- returns {'REFUSED', reason, ...} of indexes.lua, or for each value that a unique index cannot take: place of the index,
--         key of the record, and key of the record that has the value, or '' if it is too long or has no entry
if not indexes or has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local added, reported, holders, others, not_others = {}, {}, {}, {}, {}
for _, place in ipairs(ARGV) do
  added[tonumber(place)] = {}
  demand('ZADD', KEYS[3 + place])
end
for i = first, #KEYS do
  local key = KEYS[i]
  local name, values = string.sub(key, #start + 1), indexes.values_of(key)
  local shape, is_other = values and shape_of(values[#asked]), false
  for place = 1, values and #unique or 0 do
    local entry, odd
    if shape and shape[place + 1] then entry, odd = entry_of(shape[place + 1], values) end
    is_other = is_other or not entry
    local list = added[place]
    if list and unique[place] and odd ~= 'NONE' then
      local holder, refused = odd and '' or entry and holders[place .. entry], nil
      if entry and not holder then holder, refused = indexes.holder_of(place, entry, key) end
      if refused then return refused end
      if holder then
        local count = #reported
        reported[count + 1], reported[count + 2], reported[count + 3] = place, key, holder
      elseif entry then
        holders[place .. entry] = key
      end
    end
    -- Also one that another record has: so that no client can write the value until the two are corrected.
    if list and entry then list[#list + 1], list[#list + 2] = 0, entry .. name end
  end
  local list = is_other and others or not_others
  if is_other then list[#list + 1] = 0 end
  list[#list + 1] = name
end
added[0] = others
for place, list in pairs(added) do
  local reply = list[1] and redis.pcall('ZADD', KEYS[3 + place], unpack(list))
  if type(reply) == 'table' then
    return is_of_another_type(reply) and {'REFUSED', 'FIELD INDEX', 0, '', KEYS[3 + place]} or reply
  end
end
if not_others[1] then redis.pcall('ZREM', KEYS[3], unpack(not_others)) end
return reported
