-- Begins the scripts that write records of a table with indexes of fields: fence.lua is for one without. After
-- permissions.lua, the encoders of entries.lua, and what lua_source writes for the definitions:
--   digest of the definitions; start of the record keys; sources, the stored fields that the indexes are made of;
--   unique, for each index whether it is; shapes, for each version from which they count, the latest first: the version,
--   then for each index its parts, or false: place among the sources, encoder, is_optional, folds_case
-- KEYS    1 index of the records; 2 definitions of the indexes of fields; 3 records with a value that has no entry;
--         4.. the indexes of fields; then records
local first, indexes = 4 + #unique, {}

-- Whether the table has other indexes than this script knows; then nothing may be written.
local function has_other_indexes(at) return redis.pcall('HGET', KEYS[at or 2], 'digest') ~= digest end

do
  local asked, stamp_place, changes, order = {unpack(sources)}, #sources + 1, {}, {}
  asked[stamp_place] = '_v'
  local places = {}
  for place, name in ipairs(sources) do places[name] = place end

  -- Give the name of a record in the indexes: what is behind the start of its key.
  function indexes.name_of(key) return string.sub(key, #start + 1) end

  -- Give the values of a record that the indexes are made of, in their order, and its stamp; nil if there is none. Of a
  -- record whose change is noted, those after it.
  function indexes.values_of(key)
    if changes[key] then return changes[key].after end
    local values = redis.call('HMGET', key, unpack(asked))
    if not values[stamp_place] then
      if redis.call('EXISTS', key) == 0 then return nil end
      values[stamp_place] = '1'
    end
    return values
  end

  -- Give the place of a field among the values; nil if no index is made of it.
  function indexes.place_of(name) return places[name] end

  -- Give values over those of a record, of this stamp; all of them if there was no record.
  function indexes.overlay(values, stamp)
    local after = {}
    for place = 1, stamp_place - 1 do after[place] = values and values[place] or false end
    after[stamp_place] = stamp
    return after
  end

  -- Note the change of a record from some values to others; nil where there is none. A second change of it counts from
  -- what the first one left.
  function indexes.change(key, before, after)
    local known = changes[key]
    if known then
      known.after = after
    else
      changes[key] = {key = key, before = before, after = after}
      order[#order + 1] = changes[key]
    end
  end

  -- Give what the indexes hold of a record: for each an entry, or nil; for each what keeps the entry from being unique:
  -- 'CUT', 'OTHER' for a value that has no entry, or 'NONE', which collides with nothing; and whether the record belongs to
  -- those with a value that has no entry. A field that is not stored has none, and collides with nothing.
  local function entries_of(values)
    local found, odd, is_other = {}, {}, false
    if not values then return found, odd, is_other end
    local version, shape = tonumber(values[stamp_place]) or 0, nil
    for _, candidate in ipairs(shapes) do
      if candidate[1] <= version then
        shape = candidate
        break
      end
    end
    for i = 1, #unique do
      local parts, entry = shape and shape[i + 1], ''
      for j = 1, parts and #parts or 0 do
        local part = parts[j]
        local raw, text, is_cut = values[part[1]], nil, nil
        if raw then text, is_cut = part[2](raw, part[3], part[4]) end
        if not text then
          entry = nil
          odd[i] = raw and 'OTHER' or odd[i]
          break
        end
        entry = entry .. text .. '\0'
        if text == '!' then
          odd[i] = 'NONE'
        elseif is_cut then
          odd[i] = odd[i] or 'CUT'
        end
      end
      if not parts or not entry then
        is_other = true
      else
        found[i] = entry
      end
    end
    return found, odd, is_other
  end

  -- Give the key of another record that has the entry of a unique index, after all changes of this call; or nil. A member
  -- is a claim only: what its record holds now decides, so that an expired record, or one that another program changed,
  -- keeps no value from others.
  local function holder_of(i, entry, own)
    local from = 0
    while true do
      local members = redis.call('ZRANGEBYLEX', KEYS[3 + i], '[' .. entry, '(' .. entry .. '\255', 'LIMIT', from, 100)
      for _, member in ipairs(members) do
        local key = start .. string.sub(member, #entry + 1)
        if key ~= own and not changes[key] then
          local kind = redis.call('TYPE', key).ok
          if kind == 'hash' and entries_of(indexes.values_of(key))[i] == entry then return key end
        end
      end
      if #members < 100 then return nil end
      from = from + 100
    end
  end

  local added, removed = {}, {}
  local function note(list, i, member)
    local members = list[i] or {}
    list[i] = members
    members[#members + 1] = member
  end

  -- Compute what the noted changes do to the indexes, and demand the right to do it; ``place_of`` gives the place of a
  -- record by its key. Writes nothing.
  -- Gives a refusal, or nil: {'REFUSED', reason, place, '', place of the index[, key of the holder]}; reason: TAKEN, or CUT
  -- or OTHER: a value of a unique index that is too long, or has no entry
  function indexes.prepare(place_of)
    local claims, kept = {}, {}
    for _, change in ipairs(order) do
      local is_same = change.before and change.after and true
      for place = 1, is_same and stamp_place or 0 do
        is_same = is_same and change.before[place] == change.after[place]
      end
      if is_same then
        kept[#kept + 1] = change
      else
        local old, _, was_other = entries_of(change.before)
        local new, odd, is_other = entries_of(change.after)
        local name = string.sub(change.key, #start + 1)
        for i = 1, #unique do
          if new[i] ~= old[i] then
            if new[i] then note(added, 3 + i, new[i] .. name) end
            if old[i] then note(removed, 3 + i, old[i] .. name) end
          end
          if unique[i] and odd[i] ~= 'NONE' then
            if odd[i] then return {'REFUSED', odd[i], place_of(change.key), '', i} end
            if new[i] then claims[#claims + 1] = {i, new[i], change.key, new[i] ~= old[i]} end
          end
        end
        if is_other ~= was_other then note(is_other and added or removed, 3, name) end
      end
    end
    local holders = {}
    for _, change in ipairs(claims[1] and kept or {}) do
      local entries, odd = entries_of(change.after)
      for i = 1, #unique do
        if unique[i] and entries[i] and not odd[i] then holders[i .. entries[i]] = change.key end
      end
    end
    for _, claim in ipairs(claims) do
      if not claim[4] then holders[claim[1] .. claim[2]] = claim[3] end
    end
    for _, claim in ipairs(claims) do
      local i, entry, key, is_new = unpack(claim)
      if is_new then
        local holder = holders[i .. entry] or holder_of(i, entry, key)
        if holder then return {'REFUSED', 'TAKEN', place_of(key), '', i, holder} end
        holders[i .. entry] = key
      end
    end
    for i in pairs(added) do demand('ZADD', KEYS[i]) end
    for i in pairs(removed) do demand('ZREM', KEYS[i]) end
  end

  -- Add the new members, before the record is written: what fails leaves at most members without a record, which readers
  -- pass over. Gives a refusal, or nil.
  function indexes.add()
    for i, members in pairs(added) do
      for from = 1, #members, 2000 do
        local arguments = {}
        for j = from, math.min(from + 1999, #members) do
          arguments[#arguments + 1] = 0
          arguments[#arguments + 1] = members[j]
        end
        local reply = redis.pcall('ZADD', KEYS[i], unpack(arguments))
        if type(reply) == 'table' then
          return is_of_another_type(reply) and {'REFUSED', 'FIELD INDEX', 0, '', KEYS[i]} or reply
        end
      end
    end
  end

  -- Add the members of a record to indexes that are being built, by their places. Gives a refusal, or nil, and the pairs of
  -- records that have one value in a unique index: place of the index, this record's key, the other one's, ...
  function indexes.enter(key, building)
    local values = indexes.values_of(key)
    local entries, odd, is_other = entries_of(values)
    local name, pairs_found = string.sub(key, #start + 1), {}
    for i in pairs(building) do
      local holder = unique[i] and entries[i] and odd[i] ~= 'NONE' and holder_of(i, entries[i], key)
      if unique[i] and (odd[i] == 'CUT' or odd[i] == 'OTHER') then holder = '' end
      if holder then
        pairs_found[#pairs_found + 1], pairs_found[#pairs_found + 2] = i, key
        pairs_found[#pairs_found + 1] = holder
      elseif entries[i] then
        added[3 + i] = {entries[i] .. name}
      end
    end
    if is_other then added[3] = {name} end
    local refused = indexes.add()
    if not refused and not is_other then redis.pcall('ZREM', KEYS[3], name) end
    added = {}
    return refused, pairs_found
  end

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

  -- Give what ``values_of`` gives; nil also for a key that does not hold a hash.
  function indexes.values_if_hash(key)
    if redis.call('TYPE', key).ok == 'hash' then return indexes.values_of(key) end
  end

  -- Bring the indexes to what a record holds after a script rewrote it; ``before`` are the values that it had. The rewriting
  -- of many records is not stopped by a value that two of them then have: both are found, and the next who writes it is
  -- refused.
  function indexes.follow(key, before)
    local old, _, was_other = entries_of(before)
    local new, _, is_other = entries_of(indexes.values_of(key))
    local name = string.sub(key, #start + 1)
    for i = 1, #unique do
      if new[i] ~= old[i] then
        if new[i] then redis.call('ZADD', KEYS[3 + i], 0, new[i] .. name) end
        if old[i] then redis.call('ZREM', KEYS[3 + i], old[i] .. name) end
      end
    end
    if is_other and not was_other then
      redis.call('ZADD', KEYS[3], 0, name)
    elseif was_other and not is_other then
      redis.call('ZREM', KEYS[3], name)
    end
  end

  -- Bring the indexes to what a record holds after it was renamed. It leaves the indexes of the table before, whose keys begin
  -- at a place; ``former`` is its name there.
  function indexes.renamed(key, former, at)
    local entries, _, is_other = entries_of(indexes.values_of(key))
    local name = string.sub(key, #start + 1)
    for i = 1, #unique do
      local is_same = former == name and KEYS[at + 2 + i] == KEYS[3 + i]
      if entries[i] then redis.call('ZADD', KEYS[3 + i], 0, entries[i] .. name) end
      if entries[i] and not is_same then redis.pcall('ZREM', KEYS[at + 2 + i], entries[i] .. former) end
    end
    if is_other then redis.call('ZADD', KEYS[3], 0, name) end
    if not is_other or former ~= name or KEYS[at + 2] ~= KEYS[3] then redis.pcall('ZREM', KEYS[at + 2], former) end
  end

  -- Remove the old members, after the record is written.
  function indexes.remove()
    for i, members in pairs(removed) do
      for from = 1, #members, 4000 do
        redis.pcall('ZREM', KEYS[i], unpack(members, from, math.min(from + 3999, #members)))
      end
    end
  end
end
--[[ end of the fence ]]
