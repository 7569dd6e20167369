-- Decimal numbers of any size. After entry_int.lua.
function encoders.decimal(raw, is_optional)
  if byte(raw) ~= 34 or byte(raw, -1) ~= 34 or #raw > 4300 then return is_optional and is_null[raw] and '!' or nil end
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
  local behind = find(string.reverse(digits), '[1-9]')  -- in one go; '0*$' would try at each of a thousand zeros
  digits = sub(digits, 1, -behind)
  if sign == '' then return 'p' .. encode_whole(format('%.0f', power)) .. digits end
  return 'm' .. encode_whole(format('%.0f', 0 - power)) .. complement(digits) .. '~'  -- -power could be "-0"
end
