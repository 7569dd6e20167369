-- Write what changed of one record. After guard.lua.
-- ARGV    2 TTL: '' leaves it as it is, '0' removes it, else milliseconds
--         3 how many arguments follow for what is to be written: field, value, ...
--         then, or nothing more, likewise, each after its number:
--             what is to be written where it is not there: field, value, ...; what is to be removed: fields;
--             what must be there as it is: field, value, ...; and the rest: fields that must not be there,
--             or '_v': nothing else may be there, of a model that takes extra fields
-- returns 1 if the index did not have the record, else 0
--         or, nothing written, {'REFUSED', reason, 1, ''[, fields]}; reason: CHANGED (these fields), INDEX,
--         those of guard.lua and indexes.lua
local written = 3 + ARGV[3]
local has_more = ARGV[written + 1]
local filled, removed, missing
if has_more then
  filled = written + 1 + ARGV[written + 1]
  removed = filled + 1 + ARGV[filled + 1]
  local same = removed + 1 + ARGV[removed + 1]
  local changed = {'REFUSED', 'CHANGED', 1, ''}
  for i = removed + 2, same, 2 do
    if redis.call('HGET', record, ARGV[i]) ~= ARGV[i + 1] then changed[#changed + 1] = ARGV[i] end
  end
  for i = same + 1, #ARGV do
    if ARGV[i] == '_v' then
      local known = {}
      for j = removed + 2, same, 2 do known[ARGV[j]] = true end
      for _, name in ipairs(redis.call('HKEYS', record)) do
        local start = name:sub(1, 2)
        if start ~= '_v' and start ~= '_b' and not known[name] then changed[#changed + 1] = name end
      end
    elseif redis.call('HEXISTS', record, ARGV[i]) == 1 then
      changed[#changed + 1] = ARGV[i]
    end
  end
  if changed[5] then return changed end
  missing = {}
  for i = written + 2, filled, 2 do
    if redis.call('HEXISTS', record, ARGV[i]) == 0 then missing[#missing + 1] = i end
  end
end
if indexes then
  local after = {}  -- what is written of the values that indexes are made of
  local function put(name, value)
    local place = indexes.places[name]
    if place then after[place] = value end
  end
  for i = 4, written, 2 do put(ARGV[i], ARGV[i + 1]) end
  if has_more then
    for _, i in ipairs(missing) do put(ARGV[i], ARGV[i + 1]) end
    for i = filled + 2, removed do put(ARGV[i], false) end
  end
  if next(after) then
    local before = indexes.values_of(record)
    local whole = indexes.overlay(before, ARGV[1])
    for place, value in pairs(after) do whole[place] = value end
    indexes.change(record, before, whole)
    local refused = indexes.prepare()
    if refused then return refused end
  end
end
local added, refusal
if has_more or ARGV[2] ~= '' then
  local commands = {}
  if written > 3 or has_more and missing[1] then commands[1] = 'HSET' end
  if has_more and removed > filled + 1 then commands[#commands + 1] = 'HDEL' end
  if ARGV[2] ~= '' then commands[#commands + 1] = ARGV[2] == '0' and 'PERSIST' or 'PEXPIRE' end
  added, refusal = begin_writing(unpack(commands))
else
  added, refusal = begin_writing('HSET')
end
if refusal then return refusal end
-- unpack takes fewer than 8,000 values at once.
for from = 4, written, 4000 do
  redis.call('HSET', record, unpack(ARGV, from, math.min(written, from + 3999)))
end
if has_more then
  for _, i in ipairs(missing) do redis.call('HSET', record, ARGV[i], ARGV[i + 1]) end
  for i = filled + 2, removed do redis.call('HDEL', record, ARGV[i]) end
end
if ARGV[2] == '0' then
  redis.call('PERSIST', record)
elseif ARGV[2] ~= '' then
  redis.call('PEXPIRE', record, ARGV[2])
end
if indexes then indexes.remove() end
return added
