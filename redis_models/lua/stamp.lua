-- The version that a stamp says: a whole number from 1, of at most 15 digits, as it is written; nil of anything else,
-- which something wrote that is unknown here. ``stored_version`` in shape.py takes the same, and tells what is none.
local function version_of(stamp)
  if #stamp < 16 and string.find(stamp, '^[1-9]%d*$') then return tonumber(stamp) end
end
