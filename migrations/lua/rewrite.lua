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
--           field that notes that the record had no stamp
--           how many values it keeps aside, for each: source or 0 or -1, constant, field that takes it,
--             field that notes its absence ('' none)
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
  local program = {fields = {}, keeps = {}}
  programs[take()] = program
  for i = 1, number() do
    program.fields[i] = {name = take(), own = number(), source = number(), constant = take(), life = number()}
    local one = program.fields[i]
    -- Only what is written can lose a life span; only what had one can keep it.
    if one.life > 0 and one.source >= 0 then program.carries = true end
  end
  program.unstamped = take()
  for i = 1, number() do
    program.keeps[i] = {source = number(), constant = take(), stored = take(), absent = take()}
  end
end

local function content(cell, values)
  if cell.source > 0 then return values[cell.source] end
  if cell.source == 0 then return cell.constant end
  return false
end

local function rewrite(key, program, values, stamp)
  local sets, count, deletes = {'_v', target}, 2, {}
  local function set(name, raw)
    sets[count + 1], sets[count + 2] = name, raw
    count = count + 2
  end
  for _, field in ipairs(program.fields) do
    local raw = content(field, values)
    if raw then
      set(field.name, raw)
    elseif values[field.own] then
      deletes[#deletes + 1] = field.name
    end
  end
  for _, keep in ipairs(program.keeps) do
    local raw = content(keep, values)
    if raw then
      set(keep.stored, raw)
    elseif keep.absent ~= '' then
      set(keep.absent, '')
    end
  end
  if not stamp then set(program.unstamped, '') end
  -- A hash of this encoding has no life spans of fields, on either engine; asking for each costs several times more.
  local ends = lives and program.carries and redis.pcall('OBJECT', 'ENCODING', key) ~= 'listpack'
    and redis.call('HPEXPIRETIME', key, 'FIELDS', #sources, unpack(sources))
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
