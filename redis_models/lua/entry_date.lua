-- Dates. After entry.lua.
function encoders.date(raw, is_optional)
  if find(raw, '^"%d%d%d%d%-[01]%d%-[0-3]%d"$') then return sub(raw, 2, -2) end
  if is_optional and is_null[raw] then return '!' end
end
