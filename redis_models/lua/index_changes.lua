-- Changes of records, and what they do to the indexes of fields. After indexes.lua, and index_claims.lua where an index is
-- unique. A script notes all its changes, prepares them, adds members, writes the records, and removes members.
local order, added, removed = {}, {}, {}

-- Give values over those of a record, of this stamp; all of them if there was no record.
function indexes.overlay(values, stamp)
  local after = {}
  for place = 1, #asked - 1 do after[place] = values and values[place] or false end
  after[#asked] = stamp
  return after
end

-- Note the change of a record from some values to others; nil where there is none. A second change of it counts from
-- what the first one left.
function indexes.change(key, before, after)
  local change = changes[key]
  if change then
    change[3] = after
  else
    change = {key, before, after}
    changes[key] = change
    order[#order + 1] = change
  end
end

local function note(lists, i)
  local list = lists[i]
  if not list then
    list = {}
    lists[i] = list
  end
  return list, #list
end

-- Compute what the noted changes do to the indexes, and demand the right to remove members. ``place_of`` has the places of
-- the records by their keys; nil for one record. Writes nothing.
-- Gives a refusal, or nil: {'REFUSED', reason, place, '', place of the index[, key of the holder]}; reason: TAKEN, or CUT
-- or OTHER: a value of a unique index that is too long, or has no entry
function indexes.prepare(place_of)
  local claims = {}
  for c = 1, #order do
    local key, before, after = unpack(order[c], 1, 3)
    local old_shape, shape = before and shape_of(before[#asked]), after and shape_of(after[#asked])
    local has_same_shape, was_other, is_other = before and after and old_shape == shape, false, false
    for i = 1, #unique do
      local parts, is_same = shape and shape[i + 1], has_same_shape
      for j = 1, is_same and parts and #parts or 0 do
        local place = parts[j][1]
        is_same = is_same and before[place] == after[place]
      end
      if not is_same then
        local old, new, odd
        local old_parts = old_shape and old_shape[i + 1]
        if before then
          if old_parts then old = entry_of(old_parts, before) end
          was_other = was_other or not old
        end
        if after then
          if parts then new, odd = entry_of(parts, after) end
          is_other = is_other or not new
        end
        if unique[i] and odd and odd ~= 'NONE' then
          return {'REFUSED', odd, place_of and place_of[key] or 1, '', i}
        end
        if new ~= old then
          local name = string.sub(key, #start + 1)
          if new then
            local list, count = note(added, 3 + i)
            list[count + 1], list[count + 2] = 0, new .. name
            if unique[i] and not odd then claims[#claims + 1] = {i, new, key} end
          end
          if old then
            local list, count = note(removed, 3 + i)
            list[count + 1] = old .. name
          end
        end
      end
    end
    if was_other ~= is_other then
      -- An index whose values stay the same may keep it among the others.
      local values = is_other and before or after
      for i = 1, has_same_shape and #unique or 0 do
        if not (shape[i + 1] and entry_of(shape[i + 1], values)) then was_other, is_other = true, true end
      end
      local name = string.sub(key, #start + 1)
      if is_other and not was_other then
        local list, count = note(added, 3)
        list[count + 1], list[count + 2] = 0, name
      elseif was_other and not is_other then
        local list, count = note(removed, 3)
        list[count + 1] = name
      end
    end
  end
  local taken = {}
  for c = 1, #claims do
    local i, entry, key = unpack(claims[c])
    local holder, refused = taken[i .. entry], nil
    if not holder then holder, refused = indexes.holder_of(i, entry, key) end
    if holder then return {'REFUSED', 'TAKEN', place_of and place_of[key] or 1, '', i, holder} end
    if refused then return refused end
    taken[i .. entry] = key
  end
  for i in pairs(removed) do demand('ZREM', KEYS[i]) end
  indexes.is_adding = next(added) ~= nil
end

-- Add the new members, before the record is written: what fails leaves at most members without a record, which readers
-- pass over. Gives a refusal, or nil. No member that it adds was there for what the record holds until then, so a refusal
-- takes all of them back.
function indexes.add()
  for i, list in pairs(added) do
    for from = 1, #list, 4000 do
      local reply = redis.pcall('ZADD', KEYS[i], unpack(list, from, math.min(from + 3999, #list)))
      if type(reply) == 'table' then
        for j, others in pairs(added) do
          for k = 2, #others, 2 do redis.pcall('ZREM', KEYS[j], others[k]) end
        end
        return is_of_another_type(reply) and {'REFUSED', 'FIELD INDEX', 0, '', KEYS[i]} or reply
      end
    end
  end
end

-- Remove the old members, after the record is written; and those of records that do not hold the value, which were met.
function indexes.remove()
  for i, list in pairs(removed) do
    for from = 1, #list, 4000 do
      redis.pcall('ZREM', KEYS[i], unpack(list, from, math.min(from + 3999, #list)))
    end
  end
  if indexes.dead then
    for index, members in pairs(indexes.dead) do
      for j = 1, #members do redis.pcall('ZREM', index, members[j]) end
    end
  end
end
