-- TTLs of records and of their fields, for the scripts that rewrite them. Only functions, which the script that follows
-- calls. After permissions.lua and once.lua.
-- A time is a whole number of milliseconds since 1970; NEVER if a record does not expire.
local NEVER = -1

local function clock()
  local found = redis.call('TIME')
  return found[1] * 1000 + math.floor(found[2] / 1000)
end

local now
-- When this script began, about: the clock is read once for all records.
local function moment()
  now = now or clock()
  return now
end

local knows_moments = true
-- When a record expires; it must exist.
local function end_of(key)
  if knows_moments then
    local found = redis.pcall('PEXPIRETIME', key)
    if type(found) == 'number' then return found end
    if not string.find(found.err, 'nknown') then error(found.err) end
    knows_moments = false
  end
  -- Redis before 7: exact if the clock is the same before and after, which is nearly always so.
  local ends
  for _ = 1, 10 do
    local before, left, after = clock(), redis.call('PTTL', key), clock()
    if left < 0 then return NEVER end
    ends = after + left
    if before == after then break end
  end
  return ends
end

-- When a record that expires at ``ends`` expires after a change {policy, ms}.
local function aim_of(change, key, ends)
  if change.ms == 0 then return NEVER end
  local now = moment()
  if change.policy == 'shorten' and ends ~= NEVER and ends <= now + change.ms then return ends end
  if change.policy ~= 'jitter' then return now + change.ms end
  local share = tonumber(string.sub(redis.sha1hex(key), 1, 8), 16) / 4294967296
  return now + change.ms - math.floor(share * change.ms / 2)
end

-- Compute when a record expires, before anything is written: after ``changes`` in order, for each of which
-- keep(stored, text) stores an undo field, or after changes are taken back by the undo values ``noted``. Gives nil if
-- that stays the same.
local function end_to_set(key, changes, noted, keep)
  if #changes == 0 and #noted == 0 then return nil end
  local present = end_of(key)
  local ends = present
  for _, change in ipairs(changes) do
    local aim = aim_of(change, key, ends)
    if aim ~= ends then keep(change.stored, string.format('%.0f %.0f', ends, aim)) end
    ends = aim
  end
  local at = ends  -- when the record would expire if no TTL had ended by now
  for _, text in ipairs(noted) do
    local old, set = string.match(text, '^(-?%d+) (-?%d+)$')
    old = tonumber(old)
    -- If another TTL was set since, it stays.
    if old and at == tonumber(set) then
      at = old
      -- Skip a time that has passed, because no migration deletes a record. The time before it may not have passed.
      if old == NEVER or old > moment() then ends = old end
    end
  end
  return ends ~= present and ends or nil
end

-- Check the right to do what ``set_end`` does.
local function demand_end(key, ends)
  if ends then demand_once(ends == NEVER and 'PERSIST' or 'PEXPIREAT', key) end
end

-- Check the right to write a record's fields where the check is a write (see permissions.lua): for full memory, this
-- must be the first check. On other servers the write itself is checked.
local function demand_to_write(key)
  if not is_allowed then demand_once('HSET', key) end
end

-- Set when a record expires; nil changes nothing.
local function set_end(key, ends)
  if ends == NEVER then
    redis.call('PERSIST', key)
  elseif ends then
    redis.call('PEXPIREAT', key, string.format('%.0f', ends))
  end
end

-- Whether this server may have a hash whose fields have TTLs; asked once for all records of a script.
-- ``known`` is '1' if this server has such TTLs, '' if not, '?' if that is not known.
local may_have_lives
local function has_lives(known)
  if may_have_lives == nil then
    local told = known ~= '' and redis.pcall('INFO', 'keyspace')
    -- Valkey counts such hashes under the first name, Redis under the second. If INFO is denied, or has neither name,
    -- there may be some.
    may_have_lives = known ~= '' and (type(told) == 'table'
      or string.find(told, 'keys_with_volatile_items=[1-9]') ~= nil or string.find(told, 'subexpiry=[1-9]') ~= nil
      or not string.find(told, 'keys_with_volatile_items=', 1, true) and not string.find(told, 'subexpiry=', 1, true))
  end
  return may_have_lives
end

