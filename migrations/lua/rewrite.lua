-- Bring records of one model up to a version, by programs that are known beforehand. Behind ttl.lua; what the programs
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

local may_delete
-- Ask for the right to remove fields, which programs do after they have written others.
local function demand_to_delete(key)
  demand_to_write(key)
  demand('HDEL', key)
  may_delete = true
end

local programs = {}
--[[ what the programs are ]]
function lives_of(key)
  -- A hash of this encoding has no life spans of fields, on either engine; asking for each costs several times more.
  if redis.pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end
  -- Nothing of the record is written yet, so that a refusal may be raised; behind the first write it would leave a half.
  return redis.call('HPEXPIRETIME', key, 'FIELDS', #sources, unpack(sources))
end

-- What came of a record that no program has rewritten at once; or nothing, and the error to give up with.
local function other(key, found, stamp)
  if found.err then
    -- Only another type is a fact about the record; anything else that the server refuses is raised.
    if string.find(found.err, 'WRONGTYPE', 1, true) then return 'T' end
    return nil, found
  end
  if not stamp and redis.call('EXISTS', key) == 0 then return 'G' end
  if (stamp or '1') == target then return 'S' end
  local rewrite = programs['1']
  if not stamp and rewrite and rewrite(key, found, stamp) then return 'A' end
  return 'V'
end

local asked = {unpack(sources)}
asked[#asked + 1] = '_v'
local place, others = #asked, nil
for i = 2, #KEYS do
  local key = KEYS[i]
  local found = redis.pcall('HMGET', key, unpack(asked))
  local stamp = found[place]
  local rewrite = stamp and stamp ~= target and programs[stamp]
  if not (rewrite and rewrite(key, found, stamp)) then
    local letter, refused = other(key, found, stamp)
    if refused then return refused end
    others = others or {}
    others[i] = letter
  end
end
if not others then return string.rep('A', #KEYS - 1) end
local result = {}
for i = 2, #KEYS do result[i - 1] = others[i] or 'A' end
return table.concat(result)
