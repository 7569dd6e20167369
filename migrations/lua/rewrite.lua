-- Bring records of one model up to a version, by programs that are known beforehand. Behind lives.lua; what the programs
-- are is written in its place by written.py.
-- KEYS    1 the lease; 2.. records (at most 100)
-- ARGV    1 epoch of the caller's lease; 2 the version to reach
--         3 '1' if this server has life spans of hash fields
-- returns 'FENCED', or one letter a record: A applied, S is at that version already, G gone, T no hash,
--         V for Python: of a version that no program is for, or of bytes that no table knows. Each record is rewritten
--         whole or not at all.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local target = ARGV[2]

-- Add a field to what HSET is to write.
local function add(set, name, raw)
  local count = #set
  set[count + 1], set[count + 2] = name, raw
end

-- Whether a table says what becomes of some bytes.
local function is_known(table, raw)
  if table.images[raw] then return true end
  -- As ``may_be_none`` in enumerable.py.
  return table.stays and not string.find(raw, 'None', 1, true)
    and not string.find(raw, 'null', 1, true) and not string.find(raw, '\\', 1, true)
end

-- What becomes of some bytes; nothing of those that the table leaves out.
local function image(table, raw)
  return raw and (table.images[raw] or table.stays and raw) or nil
end

-- When the life spans of the fields of a record end, by their places among the sources; nil where none has one.
local lives_of

-- Give a field that was written the life span that another one had.
local function carry(key, name, ends)
  if ends > 0 then redis.call('HPEXPIREAT', key, ends, 'FIELDS', 1, name) end
end

local programs = {}
--[[ what the programs are ]]
function lives_of(key)
  -- A hash of this encoding has no life spans of fields, on either engine; asking for each costs several times more.
  if redis.pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end
  -- Nothing of the record is written yet, so that a refusal may be raised; behind the first write it would leave a half.
  return redis.call('HPEXPIRETIME', key, 'FIELDS', #sources, unpack(sources))
end

local asked = {unpack(sources)}
asked[#asked + 1] = '_v'
local result = {}
for i = 2, #KEYS do
  local found = redis.pcall('HMGET', KEYS[i], unpack(asked))
  local letter
  if found.err then
    -- Only another type is a fact about the record; anything else that the server refuses is raised.
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
    letter = 'T'
  else
    local stamp = found[#asked]
    local version = stamp or '1'
    local rewrite = programs[version]
    if not stamp and redis.call('EXISTS', KEYS[i]) == 0 then
      letter = 'G'
    elseif version == target then
      letter = 'S'
    elseif rewrite and rewrite(KEYS[i], found, stamp) then
      letter = 'A'
    else
      letter = 'V'
    end
  end
  result[i - 1] = letter
end
return table.concat(result)
