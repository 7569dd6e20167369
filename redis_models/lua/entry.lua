-- The start of the encoders of stored values, which are in entry_*.lua: encoders.int(raw, is_optional, folds_case)
-- gives the bytes of a value's entry in an index, without the NUL that closes it; true behind them if a text was cut;
-- nil for what is not spelled as the library spells values. indexes/encoders.py has the same in Python, byte for byte.
-- Entries are compared by == only: < goes by the locale of the server.
local encoders
do
local string = string
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, match, sub = string.gsub, string.match, string.sub
-- Give the entry of None, where these are its bytes.
local function encode_none(raw, is_optional)
  if is_optional and (raw == 'None' or raw == 'null') then return '!' end
end
