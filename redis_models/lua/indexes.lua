-- Begins the scripts that write records of a table with indexes of fields: fence.lua is for one without. After
-- permissions.lua, the encoders of entry*.lua, and what indexed_scripts.py writes for the definitions:
--   digest of the definitions; start of the record keys; asked, the stored fields that the indexes are made of, and the
--   stamp; places of these fields by their names; unique, for each index whether it is; shapes, for each version from
--   which they count, the latest first: the version, then for each index its parts, or false. A part: place among asked,
--   encoder, is_optional, folds_case
-- Behind it come index_changes.lua, index_claims.lua and index_following.lua, those that the script needs.
-- KEYS    1 index of the records; 2 definitions of the indexes of fields; 3 records with a value that has no entry;
--         4.. the indexes of fields; then records
-- Each function, and each local that it takes along, is made anew in each call; there are as few as will do.
local first, indexes = 4 + #unique, {asked = asked, places = places}

-- Whether the table has other indexes than this script knows; then nothing may be written. ``at`` is the place of the
-- definitions of another table.
local function has_other_indexes(at) return redis.pcall('HGET', KEYS[at or 2], 'digest') ~= digest end

-- The changes that are noted, by the keys of their records: key, values before, values after. See index_changes.lua.
local changes = {}

-- Give the values of a record that the indexes are made of, and its stamp, in the order of asked; nil if there is none, or
-- another type. Of a record whose change is noted, those after it.
function indexes.values_of(key)
  if changes[key] then return changes[key][3] or nil end
  local values = redis.pcall('HMGET', key, unpack(asked))
  if values.err and not is_of_another_type(values) then error(values.err, 0) end
  if values.err or not values[#asked] and redis.call('EXISTS', key) == 0 then return nil end
  return values
end

-- Give the row of shapes for a stamp, which is false for a record of the first version; false if there is none.
local shapes_by_stamp = {}
local function shape_of(stamp)
  stamp = stamp or '1'
  local shape = shapes_by_stamp[stamp]
  if shape == nil then
    -- As version_of in stamp.lua, which not all of the scripts have.
    local version = #stamp < 16 and string.find(stamp, '^[1-9]%d*$') and tonumber(stamp) or 0
    shape = false
    for i = 1, #shapes do
      if shapes[i][1] <= version then
        shape = shapes[i]
        break
      end
    end
    shapes_by_stamp[stamp] = shape
  end
  return shape
end

-- Give what an index holds of a record: an entry, or nil if a value has none; and what keeps it from being unique: 'CUT' if
-- it has not the whole of a text, 'OTHER' for a value that has none, 'NONE' if it collides with nothing. A field that is not
-- stored has none, and collides with nothing.
local function entry_of(parts, values)
  local entry, odd = '', nil
  for j = 1, #parts do
    local part = parts[j]
    local raw = values[part[1]]
    if not raw then return nil end
    local text, is_cut = part[2](raw, part[3], part[4])
    if not text then return nil, 'OTHER' end
    if text == '!' then
      odd = 'NONE'
    elseif is_cut and not odd then
      odd = 'CUT'
    end
    entry = entry .. text .. '\0'
  end
  return entry, odd
end
