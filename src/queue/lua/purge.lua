-- Removes pending and delayed jobs, and frees the keys of unique jobs.
-- KEYS: queue, delayed, unique. ARGV: none.
-- Reply: the number of jobs removed.
local number = redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return number
