-- Whole numbers. After entry_digits.lua.
-- Encode the digits of one: first how many there are, which decides.
local function encode_whole(raw)
  if byte(raw) ~= 45 then
    local count = #raw
    return (count <= 40 and char(80 + count) or format('z%06d', count)) .. raw
  end
  local count = #raw - 1
  return (count <= 40 and char(80 - count) or '#' .. complement(format('%06d', count))) .. complement(sub(raw, 2))
end
local function encode_int(raw, is_optional)
  if find(raw, '^%-?[1-9]%d*$') and #raw <= 4300 or raw == '0' then return encode_whole(raw) end
  return encode_none(raw, is_optional)
end
