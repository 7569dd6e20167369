-- The start of the encoders of stored values; entry_*.lua add them. encoders.int(raw, is_optional, folds_case) gives the
-- bytes of a value's entry in an index, without the NUL that closes it, and true behind them if a text was cut; nil for
-- what is not spelled as the library spells values. Python's are in indexes/encoders.py, the same byte for byte.
-- Entries are compared by == only: < goes by the locale of the server.
local encoders = {}
do
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, match, sub = string.gsub, string.match, string.sub
local is_null = {None = true, null = true}
