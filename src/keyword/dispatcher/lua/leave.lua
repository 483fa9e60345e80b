-- Gives a lease back, and removes all keys that Cauldron dispatchers do not know, as one of those
-- may serve next.
-- KEYS: lease, registry, then the keys to remove.
-- ARGV: holder, service name, channel of arrivals.
-- Reply: 1, even if the dispatcher no longer holds the lease.
local lease, registry = KEYS[1], KEYS[2]
if redis.call('GET', lease) == ARGV[1] then
  redis.call('DEL', lease, unpack(KEYS, 3))
  redis.call('SREM', registry, ARGV[2])
  redis.pcall('PUBLISH', ARGV[3], 'left')
end
return 1
