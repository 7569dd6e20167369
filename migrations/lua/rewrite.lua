-- Bring records of one model up to a version, by programs that look at no value (see program.py).
-- KEYS    1 the lease; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease; 2 the version to reach
--         3 '1' if this server has life spans of hash fields
--         4 how many source fields, then their names
--         then how many programs, and for each:
--           the version it is for
--           how many fields it writes, for each: name, place of the name among the sources,
--             place of the source of its bytes (0 a constant, -1 nothing: the field is deleted), constant,
--             place of the source whose life span it takes (0 none)
--           how many stages, for each: field to keep things aside in, entry for a record without a stamp,
--             how many entries, for each: its beginning, source or 0 or -1, constant, '1' if absence is noted
-- returns 'FENCED', or one letter a record: A applied, S is at that version already, G gone, T no hash,
--         V of a version that no program is for. Each record is rewritten whole or not at all.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local target, lives = ARGV[2], ARGV[3] == '1'
local place = 4
local function take()
  place = place + 1
  return ARGV[place - 1]
end
local function number() return tonumber(take()) end

local sources = {}
for i = 1, number() do sources[i] = take() end
local programs = {}
for _ = 1, number() do
  local program = {fields = {}, stages = {}}
  programs[take()] = program
  for i = 1, number() do
    program.fields[i] = {name = take(), own = number(), source = number(), constant = take(), life = number()}
    local one = program.fields[i]
    -- Only what is written can lose a life span; only what had one can keep it.
    if one.life > 0 and one.source >= 0 then program.carries = true end
  end
  for i = 1, number() do
    local stage = {field = take(), unstamped = take(), entries = {}}
    program.stages[i] = stage
    for j = 1, number() do
      stage.entries[j] = {head = take(), source = number(), constant = take(), marks = take() == '1'}
    end
  end
end

local function content(cell, values)
  if cell.source > 0 then return values[cell.source] end
  if cell.source == 0 then return cell.constant end
  return false
end

local function aside(stage, values, stamp)
  local parts = {}
  for _, entry in ipairs(stage.entries) do
    local raw = content(entry, values)
    if raw then
      parts[#parts + 1] = entry.head .. #raw .. ':' .. raw
    elseif entry.marks then
      parts[#parts + 1] = entry.head .. '-'
    end
  end
  if not stamp then parts[#parts + 1] = stage.unstamped end
  return table.concat(parts)
end

local function rewrite(key, program, values, stamp)
  local sets, deletes = {'_v', target}, {}
  for _, field in ipairs(program.fields) do
    local raw = content(field, values)
    if raw then
      sets[#sets + 1] = field.name
      sets[#sets + 1] = raw
    elseif values[field.own] then
      deletes[#deletes + 1] = field.name
    end
  end
  for _, stage in ipairs(program.stages) do
    local raw = aside(stage, values, stamp)
    if raw ~= '' then
      sets[#sets + 1] = stage.field
      sets[#sets + 1] = raw
    end
  end
  local ends = lives and program.carries and redis.call('HPEXPIRETIME', key, 'FIELDS', #sources, unpack(sources))
  -- It grows before it shrinks: full memory must refuse the record whole.
  redis.call('HSET', key, unpack(sets))
  if ends then
    for _, field in ipairs(program.fields) do
      if field.life > 0 and ends[field.life] > 0 and content(field, values) then
        redis.call('HPEXPIREAT', key, ends[field.life], 'FIELDS', 1, field.name)
      end
    end
  end
  if #deletes > 0 then redis.call('HDEL', key, unpack(deletes)) end
end

local result = {}
for i = 2, #KEYS do
  local found = redis.pcall('HMGET', KEYS[i], '_v', unpack(sources))
  local letter
  if found.err then
    letter = 'T'
  else
    local stamp = table.remove(found, 1)
    local version = stamp or '1'
    local program = programs[version]
    if not stamp and redis.call('EXISTS', KEYS[i]) == 0 then
      letter = 'G'
    elseif version == target then
      letter = 'S'
    elseif not program then
      letter = 'V'
    else
      rewrite(KEYS[i], program, found, stamp)
      letter = 'A'
    end
  end
  result[i - 1] = letter
end
return table.concat(result)
