-- Removes what waits and what is delayed, and frees the keys of unique jobs.
local number = redis.call('LLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2])
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return number
