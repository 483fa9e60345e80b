-- Adds a delayed job.
-- KEYS: delayed. ARGV: delay in milliseconds, random text for its id, item.
-- Reply: 1.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local deliveries, id, payload = parse(ARGV[3])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), wrap(0, new_id(clock, ARGV[2], 0), payload, ''))
return 1
