-- The version that a stamp says: a whole number from 1, of at most 15 digits, as it is written; nil of anything else.
-- ``stored_version`` in shape.py takes the same, and tells what is none.
local function version_of(stamp)
  if #stamp < 16 and string.find(stamp, '^[1-9]%d*$') then return tonumber(stamp) end
end

-- What refuses a record whose stamp is not ``version``. One that is no version was written by something unknown here.
local function refusal_of(stamp, version)
  local held = version_of(stamp)
  return held and held < tonumber(version) and 'OLDER' or 'NEWER'
end
