-- Who has not been heard of for as long as a lease, and who has gone since yesterday.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return {
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, 100),
  redis.call('ZREVRANGE', KEYS[2], 0, 999),
}
