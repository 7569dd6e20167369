-- The indexes of fields where a script rewrites records without telling what it changes. After indexes.lua.

-- Refuse, before anything is written, what ``follow`` could not do: a wrong type, or a missing right. Gives a refusal, or
-- nil.
function indexes.demand_all()
  for i = 3, first - 1 do
    local size = redis.pcall('ZCARD', KEYS[i])
    if type(size) == 'table' then
      return is_of_another_type(size) and {'REFUSED', 'FIELD INDEX', 0, '', KEYS[i]} or size
    end
    demand('ZADD', KEYS[i])
    demand('ZREM', KEYS[i])
  end
end

-- Bring the indexes to what a record holds after a script rewrote it; ``before`` are the values that it had. The rewriting
-- of many records is not stopped by a value that two of them then have: both are found, and the next who writes it is
-- refused.
function indexes.follow(key, before)
  local after, name = indexes.values_of(key), string.sub(key, #start + 1)
  local old_shape, shape = before and shape_of(before[#asked]), after and shape_of(after[#asked])
  local was_other, is_other = false, false
  for i = 1, #unique do
    local old_parts, parts = old_shape and old_shape[i + 1], shape and shape[i + 1]
    local old, new = old_parts and entry_of(old_parts, before) or nil, parts and entry_of(parts, after) or nil
    was_other, is_other = was_other or before and not old, is_other or after and not new
    if new ~= old then
      if new then redis.call('ZADD', KEYS[3 + i], 0, new .. name) end
      if old then redis.call('ZREM', KEYS[3 + i], old .. name) end
    end
  end
  if is_other and not was_other then
    redis.call('ZADD', KEYS[3], 0, name)
  elseif was_other and not is_other then
    redis.call('ZREM', KEYS[3], name)
  end
end

-- Give the name of a record in the indexes: what is behind the start of its key.
function indexes.name_of(key) return string.sub(key, #start + 1) end

-- Bring the indexes to what a record holds after it was renamed. It leaves the indexes of the table before, whose keys begin
-- at a place, 1 for the same table; ``former`` is its name there.
function indexes.renamed(key, former, at)
  local values, name = indexes.values_of(key), string.sub(key, #start + 1)
  local shape, is_other = values and shape_of(values[#asked]), false
  for i = 1, values and #unique or 0 do
    local entry = shape and shape[i + 1] and entry_of(shape[i + 1], values)
    if entry then redis.call('ZADD', KEYS[3 + i], 0, entry .. name) end
    if entry and (former ~= name or at ~= 1) then redis.pcall('ZREM', KEYS[at + 2 + i], entry .. former) end
    is_other = is_other or not entry
  end
  if is_other then redis.call('ZADD', KEYS[3], 0, name) end
  if not is_other or former ~= name or at ~= 1 then redis.pcall('ZREM', KEYS[at + 2], former) end
end
