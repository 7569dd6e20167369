-- Call commands in a way that changes nothing, to find those that the caller may not use.
-- KEYS    1 the lease; 2 a key that does not exist
-- ARGV    1 epoch of the caller's lease; then names of commands
-- returns 'FENCED', or for each command that the server refused: its name and the error. Errors about a missing key,
--         its type or full memory do not matter here: the server checks the access list first.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end
local lease, nothing = KEYS[1], KEYS[2]
local calls = {
  DEL = {nothing},
  EXISTS = {nothing},
  HDEL = {nothing, 'field'},
  HGET = {nothing, 'field'},
  HKEYS = {nothing},
  HLEN = {nothing},
  HMGET = {nothing, 'field'},
  HPEXPIREAT = {nothing, '1', 'FIELDS', '1', 'field'},
  HSTRLEN = {nothing, 'field'},
  HSET = {lease, 'epoch', ARGV[1]}, -- the value that it has already
  LINDEX = {nothing, '0'},
  PERSIST = {nothing},
  PEXPIREAT = {nothing, '1'},
  RENAME = {nothing, nothing},
  RPUSH = {lease, 'value'}, -- which is not a list
  SET = {nothing, 'value', 'XX'},
  TIME = {},
  TYPE = {nothing},
  ZADD = {nothing, 'XX', '0', 'member'},
  ZCARD = {nothing},
  ZREM = {nothing, 'member'},
}
local refused = {}
for i = 2, #ARGV do
  local reply = redis.pcall(ARGV[i], unpack(calls[ARGV[i]]))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = ARGV[i]
    refused[#refused + 1] = reply.err
  end
end
return refused
