-- Dates. After entry.lua.
function encoders.date(raw, is_optional)
  return match(raw, '^"(%d%d%d%d%-[01]%d%-[0-3]%d)"$') or is_optional and is_null[raw] and '!' or nil
end
