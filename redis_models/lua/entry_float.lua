-- Numbers of double precision. After entry_digits.lua.
local function encode_float(sign, power, digits)
  local is_positive = sign == ''
  local shifted = is_positive and 400 + power or 400 - power
  local rest, ones = shifted % 100, shifted % 10
  local head = char(is_positive and 112 or 109, 48 + (shifted - rest) / 100, 48 + (rest - ones) / 10, 48 + ones)
  if is_positive then return head .. digits end
  return head .. complement(digits) .. '~'
end
-- Encode one by its value. The shortest text that reads back is not what C gives, so 15 digits, or 17.
local function encode_double(raw)
  local value = tonumber(raw)
  if value == 0 then return 'o' end
  if value == math.huge or value == -math.huge then return end
  local text = format('%.14e', value)
  if tonumber(text) ~= value then text = format('%.16e', value) end
  local sign, first, rest, power = match(text, '^(%-?)(%d)%.(%d-)0*e([-+]%d+)$')
  return encode_float(sign, tonumber(power), first .. rest)
end
local function encode_real(raw, is_optional)
  local sign, whole, point, fraction, exponent = match(raw, '^(%-?)(%d+)(%.?)(%d*)(.*)$')
  if not whole then
    local special = {inf = 'q', Infinity = 'q', ['-inf'] = 'a', ['-Infinity'] = 'a', nan = 'z', NaN = 'z'}
    return special[raw] or encode_none(raw, is_optional)
  end
  if byte(whole) == 48 and #whole > 1 or (point == '') ~= (fraction == '') or #raw > 4300 then return end
  if exponent ~= '' then
    return find(exponent, '^[eE][-+]?%d%d?%d?%d?$') and encode_double(raw) or nil
  end
  if #whole + #fraction > 15 then return encode_double(raw) end
  -- As many digits as every double keeps.
  local digits = fraction == '0' and whole or whole .. fraction
  local from = find(digits, '[1-9]')
  if not from then return 'o' end
  if from > 1 or byte(digits, -1) == 48 then digits = match(digits, '^(.-)0*$', from) end
  return encode_float(sign, #whole - from, digits)
end
