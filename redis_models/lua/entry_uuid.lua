-- UUIDs. After entry.lua.
local function encode_uuid(raw, is_optional)
  if #raw == 38 and find(raw, '^"[0-9a-f]+%-[0-9a-f]+%-[0-9a-f]+%-[0-9a-f]+%-[0-9a-f]+"$') and byte(raw, 10) == 45
    and byte(raw, 15) == 45 and byte(raw, 20) == 45 and byte(raw, 25) == 45 then
    return sub(raw, 2, -2)
  end
  return encode_none(raw, is_optional)
end
