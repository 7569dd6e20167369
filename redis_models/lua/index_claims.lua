-- Who holds a value of a unique index. After indexes.lua.

-- Members that indexes have of records that do not hold the value, as they were met; index_changes.lua removes them.
indexes.dead = {}

-- Give the key of another record that has the entry of a unique index, after all changes that are noted; or nil, and a
-- refusal if there is one. A member is a claim only: what its record holds now decides, so that an expired record, or one
-- that another program changed, keeps no value from others.
function indexes.holder_of(i, entry, own)
  local from, index = 0, KEYS[3 + i]
  while true do
    local members = redis.pcall('ZRANGEBYLEX', index, '[' .. entry, '(' .. entry .. '\255', 'LIMIT', from, 100)
    if members.err then
      return nil, is_of_another_type(members) and {'REFUSED', 'FIELD INDEX', 0, '', index} or members
    end
    for _, member in ipairs(members) do
      local key = start .. string.sub(member, #entry + 1)
      if key ~= own then
        local values, held, odd = indexes.values_of(key), nil, nil
        local shape = values and shape_of(values[#asked])
        if shape and shape[i + 1] then held, odd = entry_of(shape[i + 1], values) end
        if held == entry and not odd then return key end
        if held ~= entry and not changes[key] then
          indexes.dead[index] = indexes.dead[index] or {}
          table.insert(indexes.dead[index], member)
        end
      end
    end
    if #members < 100 then return nil end
    from = from + 100
  end
end
