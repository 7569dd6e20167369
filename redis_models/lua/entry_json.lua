-- Text, as a JSON string. After entry_text.lua.
local letters
local function to_utf8(code)
  if code < 128 then return char(code) end
  local last = 128 + code % 64
  code = math.floor(code / 64)
  if code < 32 then return char(192 + code, last) end
  if code < 1024 then return char(224 + math.floor(code / 64), 128 + code % 64, last) end
  return char(240 + math.floor(code / 4096), 128 + math.floor(code / 64) % 64, 128 + code % 64, last)
end
-- Give the text of an escape that begins behind the backslash at ``at``, and where the rest begins; nil if it is none.
local function unescaped(text, at)
  local letter = sub(text, at + 1, at + 1)
  if letter ~= 'u' then
    letters = letters or {['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', f = '\f', n = '\n', r = '\r', t = '\t'}
    return letters[letter], at + 2
  end
  local unit = match(text, '^%x%x%x%x', at + 2)
  if not unit then return end
  local code = tonumber(unit, 16)
  if code >= 0xD800 and code < 0xDC00 then
    local low = match(text, '^\\u([dD][c-fC-F]%x%x)', at + 6)
    if low then return to_utf8(0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00), at + 12 end
  end
  return to_utf8(code), at + 6
end
-- Give the text of a JSON string with escapes; nil if it is none.
local function text_of_json(raw)
  if byte(raw) ~= 34 or byte(raw, -1) ~= 34 or #raw < 2 then return end
  local inner, pieces, from = sub(raw, 2, -2), {}, 1
  local at = find(inner, '\\', 1, true)
  while at do
    local piece = sub(inner, from, at - 1)
    if find(piece, '"', 1, true) then return end
    pieces[#pieces + 1] = piece
    pieces[#pieces + 1], from = unescaped(inner, at)
    if #pieces % 2 == 1 then return end
    at = find(inner, '\\', from, true)
  end
  if find(inner, '"', from, true) then return end
  pieces[#pieces + 1] = sub(inner, from)
  local text = table.concat(pieces)
  -- The codec may read the text within the text, as pydantic-aioredis wrote it.
  if not find(text, '^[ \t\n\r]*".*"[ \t\n\r]*$') then return text end
end
local function encode_jstr(raw, is_optional, folds_case)
  local text = match(raw, '^"([^"\\]*)"$')
  if not text then
    if encode_none(raw, is_optional) then return '!' end
    text = text_of_json(raw)
  end
  -- For an enum without such a member the codec reads None.
  if text and not encode_none(text, is_optional) then return encode_text(text, folds_case) end
end
