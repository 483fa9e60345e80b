-- Pushes a job unless its key was used recently. Removes up to a hundred expired keys.
-- KEYS: queue, unique. ARGV: milliseconds for which the key is taken, key, item.
-- Reply: the new length, or 0 if the key is taken.
local queue, unique, key = KEYS[1], KEYS[2], ARGV[2]
local clock = redis.call('TIME')
local now, time = clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(ARGV[1])
local taken = redis.call('ZSCORE', unique, key)
if taken and tonumber(taken) > now then return 0 end
local left = redis.call('PTTL', unique)
local length = redis.call('RPUSH', queue, ARGV[3])
redis.call('ZADD', unique, now + time, key)
redis.call('PEXPIRE', unique, string.format('%.0f', math.max(left, time)))
local over = redis.call('ZRANGEBYSCORE', unique, '-inf', now, 'LIMIT', 0, 100)
if #over > 0 then redis.call('ZREM', unique, unpack(over)) end
return length
