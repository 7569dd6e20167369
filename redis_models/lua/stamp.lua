-- Give the version of a stamp: a whole number from 1, of at most 15 digits, without a leading 0; nil for anything else,
-- which another program wrote. ``stored_version`` in mapping/stored_field.py accepts the same.
local function version_of(stamp)
  if #stamp < 16 and string.find(stamp, '^[1-9]%d*$') then return tonumber(stamp) end
end
