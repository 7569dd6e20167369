-- Change the TTL of one record, of whatever version. After permissions.lua.
-- KEYS    1 index; 2 record
-- ARGV    1 TTL: '' leaves it as it is, '0' removes it, else milliseconds
-- returns 1, or, nothing changed, {'REFUSED', reason, 1, ''}; reason: INDEX, TYPE, GONE
local size = redis.pcall('ZCARD', KEYS[1])
if type(size) == 'table' then return is_of_another_type(size) and {'REFUSED', 'INDEX', 0, ''} or size end
local fields = redis.pcall('HLEN', KEYS[2])
if type(fields) == 'table' then return is_of_another_type(fields) and {'REFUSED', 'TYPE', 1, ''} or fields end
if fields == 0 then return {'REFUSED', 'GONE', 1, ''} end
if ARGV[1] == '0' then
  redis.call('PERSIST', KEYS[2])
elseif ARGV[1] ~= '' then
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
end
return 1
