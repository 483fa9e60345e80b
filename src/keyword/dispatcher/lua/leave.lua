-- Of what Cauldron's dispatchers do not know nothing is left: one of those may serve next.
local lease, registry = KEYS[1], KEYS[2]
if redis.call('GET', lease) == ARGV[1] then
  redis.call('DEL', lease, unpack(KEYS, 3))
  redis.call('SREM', registry, ARGV[2])
  redis.pcall('PUBLISH', ARGV[3], 'left')
end
return 1
