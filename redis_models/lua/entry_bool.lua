-- Truth values. After entry.lua.
local function encode_bool(raw, is_optional)
  if raw == 'true' then return '1' end
  if raw == 'false' then return '0' end
  return encode_none(raw, is_optional)
end
