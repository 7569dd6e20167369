-- Read where an app is, all of it as it is at one instant: a run may end at any other.
-- KEYS    1 ledger; 2 snapshot; 3 journal
-- returns {ids and entries of the ledger, the snapshot or nothing, fields and values of the journal}
return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('HGETALL', KEYS[3])}
