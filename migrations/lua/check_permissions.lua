-- Call commands so that they change nothing, to learn which of them the caller may not call.
-- KEYS    1 the lease; 2 a key at which nothing lies
-- ARGV    1 epoch of the caller's lease; then names of commands
-- returns 'FENCED', or for each command that the server refused: its name, and what it said. What it says of a key that
--         is not there, of another type or of full memory is no matter here: the access list is asked before all that.
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
  HSET = {lease, 'epoch', ARGV[1]}, -- what is there already
  LINDEX = {nothing, '0'},
  PERSIST = {nothing},
  PEXPIREAT = {nothing, '1'},
  RENAME = {nothing, nothing},
  RPUSH = {lease, 'value'}, -- which is no list
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
