-- Of what Cauldron's dispatchers do not know nothing is left: one of those may serve next.
local registry, lease = KEYS[1], KEYS[2]
if redis.call('GET', lease) == ARGV[1] then
  redis.call('DEL', unpack(KEYS, 2))
  redis.call('SREM', registry, ARGV[2])
end
return 1
