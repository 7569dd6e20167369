-- Text, as it is stored. After entry.lua.
local function to_lower(letter) return char(byte(letter) + 32) end
local function encode_text(text, folds_case)
  local is_cut = #text > 256
  if is_cut then text = sub(text, 1, 256) end
  if folds_case then text = gsub(text, '[A-Z]', to_lower) end  -- string.lower goes by the locale
  if find(text, '\0', 1, true) then text = gsub(text, '%z', '\0\255') end
  if is_cut then return '=' .. text, true end
  return '=' .. text
end
local function encode_str(raw, is_optional, folds_case)
  if is_optional then
    if raw == 'None' then return '!' end
    if byte(raw) == 92 and find(raw, '^\\+None$') then raw = sub(raw, 2) end
  end
  return encode_text(raw, folds_case)
end
