-- Begins the scripts that write records of a table without indexes of fields; indexes.lua takes its place where there are
-- some. After permissions.lua.
-- KEYS    1 index of the records; 2 definitions of the indexes of fields; 3.. records

-- Where the records begin among the keys, and what maintains the indexes of fields.
local first, indexes = 3, nil

-- Whether the table has other indexes than this script knows; then nothing may be written. ``at`` is the place of the
-- definitions of another table.
local function has_other_indexes(at) return redis.call('EXISTS', KEYS[at or 2]) == 1 end
--[[ end of the fence ]]
