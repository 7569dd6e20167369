-- What the access list lets the caller do: asked before the first write, because nothing takes back what a script wrote
-- before it was refused; and what a refusal means. Functions only; the script that follows calls them.
-- A command that is the first write of a script needs no question: where it is refused, nothing was written.
local is_allowed = redis.acl_check_cmd

-- End the script, before it writes anything, if the caller may not call a command with a key; ``target`` is the second key
-- of RENAME. From Redis 8.10 on, a question must have as many arguments as the command.
local demand
if is_allowed then
  function demand(name, key, target)
    local may
    if name == 'HSET' or name == 'HINCRBY' or name == 'ZADD' then
      may = is_allowed(name, key, '0', '0')
    elseif name == 'PERSIST' or name == 'DEL' or name == 'UNLINK' then
      may = is_allowed(name, key)
    elseif name == 'HPEXPIREAT' then
      may = is_allowed(name, key, '0', 'FIELDS', '1', '0')
    else
      may = is_allowed(name, key, target or '0')
    end
    if not may then
      error("NOPERM this user has no permissions to run the '" .. string.lower(name) .. "' command", 0)
    end
  end
else
  -- Servers before Redis 7 cannot be asked: there, a command is called with a key at which nothing lies, so that it
  -- changes nothing. What takes memory must be demanded before the rest: a server refuses a script for full memory only
  -- at its first write, and this is one.
  function demand(name, key)
    local nothing = key .. ':\0'
    local arguments = {
      DEL = {nothing}, HDEL = {nothing, ''}, HINCRBY = {nothing, '', ''}, HSET = {nothing, '', '', ''},
      PERSIST = {nothing}, PEXPIRE = {nothing, '1'}, PEXPIREAT = {nothing, '1'}, RENAME = {nothing, nothing},
      SET = {nothing, '', 'XX'}, SREM = {nothing, ''}, UNLINK = {nothing}, ZADD = {nothing, 'XX', '0', ''},
      ZREM = {nothing, ''},
    }
    local reply = redis.pcall(name, unpack(arguments[name]))
    local refused = type(reply) == 'table' and reply.err and tostring(reply.err) or ''
    if string.find(refused, "can't run", 1, true) then
      error("NOPERM this user has no permissions to run the '" .. string.lower(name) .. "' command", 0)
    end
    for _, word in ipairs({'OOM', 'nknown', 'READONLY', 'MISCONF', 'NOREPLICAS'}) do
      if string.find(refused, word, 1, true) then error(refused, 0) end
    end
  end
end

-- Whether a reply says that a key holds another type; another refusal of the server tells nothing about the key.
-- As text: fakeredis has something else there.
local function is_of_another_type(reply) return string.find(tostring(reply.err), 'WRONGTYPE', 1, true) end
