-- Bring records of one model up to a version, by programs that the engine generates. After ttl.lua and fence.lua;
-- lua_codegen.py puts the programs in their place.
-- KEYS    as fence.lua has them, with the lease before the records (at most 100)
-- ARGV    1 epoch of the caller's lease; 2 the version to reach
--         3 '1' if this server has TTLs of hash fields
-- returns 'FENCED', a refusal of indexes.lua, or one letter for each record: A applied, S at that version already, G gone, T not a hash, V needs
--         Python: no program is for its version, or a value is in no table. Each record is rewritten completely or
--         not at all.
if redis.call('HGET', KEYS[first], 'epoch') ~= ARGV[1] then return 'FENCED' end
if has_other_indexes() then return {'REFUSED', 'INDEXES', 0, ''} end
local refused_index = indexes and indexes.demand_all()
if refused_index then return refused_index end
local target = ARGV[2]

-- Add a field to the arguments of HSET.
local function add(set, name, raw)
  local count = #set
  set[count + 1], set[count + 2] = name, raw
end

-- Whether a table has a value for some bytes.
local function is_known(table, raw)
  if table.images[raw] then return true end
  -- As ``may_be_none`` in stored_values.py.
  return table.stays and not string.find(raw, 'None', 1, true)
    and not string.find(raw, 'null', 1, true) and not string.find(raw, '\\', 1, true)
end

-- Give the value for some bytes; nil for bytes that the table leaves out.
local function image(table, raw)
  return raw and (table.images[raw] or table.stays and raw) or nil
end

-- When the TTLs of a record's source fields end, by their place among the sources; nil if none has a TTL.
local lives_of

-- Give a field that was written the TTL of another one.
local function carry(key, name, ends)
  if ends > 0 then redis.call('HPEXPIREAT', key, ends, 'FIELDS', 1, name) end
end

local may_delete
-- Check the right to remove fields, because programs remove them after they wrote others.
local function demand_to_delete(key)
  demand_to_write(key)
  demand('HDEL', key)
  may_delete = true
end

local programs = {}
--[[ what the programs are ]]
function lives_of(key)
  -- A hash of this encoding has no TTLs of fields, in Redis or Valkey. Asking for each field costs several times more.
  if redis.pcall('OBJECT', 'ENCODING', key) == 'listpack' then return nil end
  -- Nothing of the record is written yet, so an error may be raised. Later it would leave a torn record.
  return redis.call('HPEXPIRETIME', key, 'FIELDS', #sources, unpack(sources))
end

-- Give the letter of a record that no program rewrote, or nil and the error that ends the script.
local function other(key, found, stamp)
  if found.err then
    -- Only a wrong type is a result for the record; any other error is raised.
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
for i = first + 1, #KEYS do
  local key = KEYS[i]
  local before = indexes and indexes.values_of(key)
  local found = redis.pcall('HMGET', key, unpack(asked))
  local stamp = found[place]
  local rewrite = stamp and stamp ~= target and programs[stamp]
  if not (rewrite and rewrite(key, found, stamp)) then
    local letter, refused = other(key, found, stamp)
    if refused then return refused end
    others = others or {}
    others[i] = letter
  end
  if before then indexes.follow(key, before) end
end
if not others then return string.rep('A', #KEYS - first) end
local result = {}
for i = first + 1, #KEYS do result[i - first] = others[i] or 'A' end
return table.concat(result)
