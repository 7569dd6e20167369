-- Bring records of one model up to a version, by programs whose steps are known beforehand (see program.py).
-- Behind lives.lua.
-- KEYS    1 the lease; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease; 2 the version to reach
--         3 '1' if this server has life spans of hash fields
--         4 '1' if most records are expected to be at that version, so that only their stamps are asked for first
--         5 how many source fields, then their names
--         then how many tables, and for each: '1' if bytes that are not in it stay, unless there is a trace of a None
--           in them; how many pairs of bytes and image, and these
--         then how many programs, and for each:
--           the version it is for
--           how many fields it writes, for each: name, place of the name among the sources,
--             place of the source of its bytes (0 a constant, -1 nothing: the field is deleted), constant,
--             table that they go through (0 none), place of the source whose life span it takes (0 none)
--           field that notes that the record had no stamp
--           how many values it keeps aside, for each: source or 0 or -1, constant, table, life span likewise, field
--             that takes it, field that notes its absence ('' none)
--           how many sources are guarded, for each: place, table that must know its bytes
--           how many changes of the record's life span, for each: policy, ms, field that keeps the one before
-- returns 'FENCED', or one letter a record: A applied, S is at that version already, G gone, T no hash,
--         V for Python: of a version that no program is for, or of bytes that no table knows. Each record is rewritten
--         whole or not at all.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local target, lives, most_are_there = ARGV[2], ARGV[3] == '1', ARGV[4] == '1'
local place = 5
local function take()
  place = place + 1
  return ARGV[place - 1]
end
local function number() return tonumber(take()) end

local sources = {}
for i = 1, number() do sources[i] = take() end
local last = #sources
local asked = {unpack(sources)}
asked[last + 1] = '_v'
local tables = {}
for i = 1, number() do
  local one = {stays = take() == '1', images = {}}
  for _ = 1, number() do
    local raw = take()
    one.images[raw] = take()
  end
  tables[i] = one
end
local programs = {}
for _ = 1, number() do
  local program = {fields = {}, keeps = {}, guards = {}, lives = {}}
  programs[take()] = program
  for i = 1, number() do
    program.fields[i] = {
      name = take(), own = number(), source = number(), constant = take(), images = tables[number()], life = number(),
    }
    local one = program.fields[i]
    -- Only what is written can lose a life span; only what had one can keep it.
    if one.life > 0 and one.source >= 0 then program.carries = true end
  end
  program.unstamped = take()
  for i = 1, number() do
    program.keeps[i] = {
      source = number(), constant = take(), images = tables[number()], life = number(), stored = take(),
      absent = take(),
    }
    if program.keeps[i].life > 0 then program.carries = true end
  end
  for i = 1, number() do program.guards[i] = {source = number(), images = tables[number()]} end
  for i = 1, number() do program.lives[i] = {policy = take(), ms = number(), stored = take()} end
end

local function is_known(one, raw)
  if one.images[raw] then return true end
  -- As ``may_be_none`` in enumerable.py.
  return one.stays and not string.find(raw, 'None', 1, true)
    and not string.find(raw, 'null', 1, true) and not string.find(raw, '\\', 1, true)
end

-- Whether the tables know all that they meet in a record.
local function is_all_known(program, values)
  for _, guard in ipairs(program.guards) do
    local raw = values[guard.source]
    if raw and not is_known(guard.images, raw) then return false end
  end
  return true
end

local function content(cell, values)
  if cell.source == 0 then return cell.constant end
  local raw = cell.source > 0 and values[cell.source]
  if not raw or not cell.images then return raw end
  return cell.images.images[raw] or (cell.images.stays and raw)
end

-- Fields to write, of one record after the other; a table and a function for each would cost as much as writing them.
local sets, count
local function set(name, raw)
  sets[count + 1], sets[count + 2] = name, raw
  count = count + 2
end

local function carry(key, cells, names, values, ends)
  for i = 1, #cells do
    local cell = cells[i]
    if cell.life > 0 and ends[cell.life] > 0 and content(cell, values) then
      redis.call('HPEXPIREAT', key, ends[cell.life], 'FIELDS', 1, cell[names])
    end
  end
end

local function rewrite(key, program, values, stamp)
  local fields, keeps, deletes = program.fields, program.keeps, {}
  sets, count = {'_v', target}, 2
  for i = 1, #fields do
    local field = fields[i]
    local raw = content(field, values)
    if raw then
      if raw ~= values[field.own] or field.life ~= field.own then set(field.name, raw) end
    elseif values[field.own] then
      deletes[#deletes + 1] = field.name
    end
  end
  for i = 1, #keeps do
    local keep = keeps[i]
    local raw = content(keep, values)
    if raw then
      set(keep.stored, raw)
    elseif keep.absent ~= '' then
      set(keep.absent, '')
    end
  end
  if not stamp then set(program.unstamped, '') end
  local ending = #program.lives > 0 and end_to_set(key, program.lives, {}, set) or nil
  -- A hash of this encoding has no life spans of fields, on either engine; asking for each costs several times more.
  local ends = lives and program.carries and redis.pcall('OBJECT', 'ENCODING', key) ~= 'listpack'
    and redis.call('HPEXPIRETIME', key, 'FIELDS', last, unpack(sources))
  -- It grows before it shrinks: full memory must refuse the record whole.
  redis.call('HSET', key, unpack(sets))
  if ends then
    carry(key, fields, 'name', values, ends)
    carry(key, keeps, 'stored', values, ends)
  end
  if #deletes > 0 then redis.call('HDEL', key, unpack(deletes)) end
  if ending then set_end(key, ending) end
end

local result = {}
for i = 2, #KEYS do
  local found = most_are_there and redis.pcall('HGET', KEYS[i], '_v')
  local letter
  if found == target then
    letter = 'S'
  elseif type(found) ~= 'table' then
    found = redis.pcall('HMGET', KEYS[i], unpack(asked))
  end
  if letter then
    -- That was all there is to know.
  elseif found.err then
    -- Only another type is a fact about the record; anything else that the server refuses is raised.
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
    letter = 'T'
  else
    local stamp = found[last + 1]
    local version = stamp or '1'
    local program = programs[version]
    if not stamp and redis.call('EXISTS', KEYS[i]) == 0 then
      letter = 'G'
    elseif version == target then
      letter = 'S'
    elseif not program or not is_all_known(program, found) then
      letter = 'V'
    else
      rewrite(KEYS[i], program, found, stamp)
      letter = 'A'
    end
  end
  result[i - 1] = letter
end
return table.concat(result)
