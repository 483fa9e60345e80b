-- Removes all values of a hash, and with them the right of any load to store one.
-- KEYS: the hash, the hash of its loads. ARGV: none.
-- Reply: 1, or 0 if there were no values.
redis.call('UNLINK', KEYS[2])
return redis.call('UNLINK', KEYS[1])
