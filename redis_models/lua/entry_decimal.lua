-- Decimal numbers of any size. After entry_int.lua.
-- Encode an exponent as encode_whole does its digits.
local function encode_power(power)
  if power >= 0 and power < 10 then return char(81, 48 + power) end
  if power < 0 and power > -10 then return char(79, 57 + power) end
  return encode_whole(format('%.0f', power))
end
local function encode_decimal(raw, is_optional)
  if byte(raw) ~= 34 or byte(raw, -1) ~= 34 or #raw > 4300 then return encode_none(raw, is_optional) end
  -- With a quote at the end '.*"$' fits at once; two kinds of digits side by side must never be tried in turn.
  local sign, whole, point, fraction, exponent = match(raw, '^"(%-?)(%d+)(%.?)(%d*)(.*)"$')
  if not whole or byte(whole) == 48 and #whole > 1 or (point == '') ~= (fraction == '') then return end
  local power = 0
  if exponent ~= '' then
    -- No longer exponent: a Lua number holds 15 digits for certain.
    if #exponent > 17 or not (find(exponent, '^E[-+][1-9]%d*$') or find(exponent, '^E[-+]0$')) then return end
    power = tonumber(sub(exponent, 2))
  end
  local digits = match(whole .. fraction, '^0*(.*)$')
  if digits == '' then return 'o' end
  power = power + #digits - #fraction - 1
  if byte(digits, -1) == 48 then
    -- In one go; '0*$' would try at each of a thousand zeros.
    digits = sub(digits, 1, -find(string.reverse(digits), '[1-9]'))
  end
  if sign == '' then return 'p' .. encode_power(power) .. digits end
  return 'm' .. encode_power(0 - power) .. complement(digits) .. '~'  -- -power could be "-0"
end
