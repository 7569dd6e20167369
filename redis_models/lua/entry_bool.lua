-- Truth values. After entry.lua.
function encoders.bool(raw, is_optional)
  if raw == 'true' then return '1' end
  if raw == 'false' then return '0' end
  if is_optional and is_null[raw] then return '!' end
end
