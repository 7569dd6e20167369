-- Dates. After entry.lua.
local function encode_date(raw, is_optional)
  return match(raw, '^"(%d%d%d%d%-[01]%d%-[0-3]%d)"$') or encode_none(raw, is_optional)
end
