-- Set the definitions of a table's indexes and their states, if these are still what the caller has read. After
-- permissions.lua.
-- KEYS    1 the definitions; 2.. indexes to empty, because they are gone or are to be built anew
-- ARGV    1, 2 digest and states that they have, '' if there are none; 3 the new digest, '' for none; 4 the document;
--         5 the states; 6 the run of the server that this is meant for, as INFO names it, or '' for any
-- returns 'OK', or 'CHANGED' and nothing is written
if ARGV[6] ~= '' and not string.find(redis.call('INFO', 'server'), 'run_id:' .. ARGV[6], 1, true) then return 'CHANGED' end
local known = redis.call('HMGET', KEYS[1], 'digest', 'states')
if (known[1] or '') ~= ARGV[1] or (known[2] or '') ~= ARGV[2] then return 'CHANGED' end
if ARGV[3] ~= '' then demand('HSET', KEYS[1]) end
if ARGV[3] == '' or #KEYS > 1 then demand('UNLINK', KEYS[1]) end
if ARGV[3] == '' then
  redis.call('UNLINK', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'digest', ARGV[3], 'document', ARGV[4], 'states', ARGV[5])
end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 'OK'
