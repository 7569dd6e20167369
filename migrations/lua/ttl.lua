-- Life spans of records and of their fields, for the scripts that rewrite them. Functions only; the script that follows
-- calls them. After permissions.lua and once.lua.
-- A moment is a whole number of milliseconds since 1970, NEVER one that does not come.
local NEVER = -1

local function clock()
  local found = redis.call('TIME')
  return found[1] * 1000 + math.floor(found[2] / 1000)
end

local now
-- When this script began, or nearly so: one look for all its records.
local function moment()
  now = now or clock()
  return now
end

local knows_moments = true
-- When a record ends; it must exist.
local function end_of(key)
  if knows_moments then
    local found = redis.pcall('PEXPIRETIME', key)
    if type(found) == 'number' then return found end
    if not string.find(found.err, 'nknown') then error(found.err) end
    knows_moments = false
  end
  -- Redis before 7: exact if the clock shows the same before and after, which it nearly always does.
  local ends
  for _ = 1, 10 do
    local before, left, after = clock(), redis.call('PTTL', key), clock()
    if left < 0 then return NEVER end
    ends = after + left
    if before == after then break end
  end
  return ends
end

-- When a record is to end that ends at ``ends``, by a change {policy, ms}.
local function aim_of(change, key, ends)
  if change.ms == 0 then return NEVER end
  local now = moment()
  if change.policy == 'shorten' and ends ~= NEVER and ends <= now + change.ms then return ends end
  if change.policy ~= 'jitter' then return now + change.ms end
  local share = tonumber(string.sub(redis.sha1hex(key), 1, 8), 16) / 4294967296
  return now + change.ms - math.floor(share * change.ms / 2)
end

-- Decide on a record's life span before anything is written: ``changes`` in order, each noted by keep(stored, text),
-- or what was kept, ``noted``, to take such changes back. Gives when it is to end, nil where that stays.
local function end_to_set(key, changes, noted, keep)
  if #changes == 0 and #noted == 0 then return nil end
  local present = end_of(key)
  local ends = present
  for _, change in ipairs(changes) do
    local aim = aim_of(change, key, ends)
    if aim ~= ends then keep(change.stored, string.format('%.0f %.0f', ends, aim)) end
    ends = aim
  end
  local at = ends  -- where the record would be, were nothing over by now
  for _, text in ipairs(noted) do
    local old, set = string.match(text, '^(-?%d+) (-?%d+)$')
    old = tonumber(old)
    -- Another one was set since: then it stays.
    if old and at == tonumber(set) then
      at = old
      -- One that is over by now is passed by, because no migration deletes a record; what was before it may not be over.
      if old == NEVER or old > moment() then ends = old end
    end
  end
  return ends ~= present and ends or nil
end

-- Ask for the right to do what ``set_end`` does.
local function demand_end(key, ends)
  if ends then demand_once(ends == NEVER and 'PERSIST' or 'PEXPIREAT', key) end
end

-- Ask for the right to write a record's fields, where asking is writing (see permissions.lua): for full memory, that must
-- be the first; everywhere else the write itself is the question.
local function demand_to_write(key)
  if not is_allowed then demand_once('HSET', key) end
end

-- Set when a record ends; nil leaves that as it is.
local function set_end(key, ends)
  if ends == NEVER then
    redis.call('PERSIST', key)
  elseif ends then
    redis.call('PEXPIREAT', key, string.format('%.0f', ends))
  end
end

-- Whether there may be a hash on this server whose fields have life spans; asked once for all records of a script.
-- ``known`` is '1' if this server has them, '' if not, '?' if nobody asked.
local may_have_lives
local function has_lives(known)
  if may_have_lives == nil then
    local told = known ~= '' and redis.pcall('INFO', 'keyspace')
    -- Valkey counts such hashes under the one name, Redis under the other. Who may not ask, or hears of neither, does
    -- not know.
    may_have_lives = known ~= '' and (type(told) == 'table'
      or string.find(told, 'keys_with_volatile_items=[1-9]') ~= nil or string.find(told, 'subexpiry=[1-9]') ~= nil
      or not string.find(told, 'keys_with_volatile_items=', 1, true) and not string.find(told, 'subexpiry=', 1, true))
  end
  return may_have_lives
end

