-- Finds out whether the service is served in a database before this one, whose dispatcher received
-- the same request: the channels of Cauldron requests are those of all databases. Cauldron
-- dispatchers have no lease, and subscribe to the channel itself. Takes no KEYS.
-- ARGV: lease, registry, service name, value key, database.
-- Reply: 1 if it is, else 0.
local lease, registry, service, channel = unpack(ARGV, 1, 4)
local is_cauldrons = redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0
for database = 0, ARGV[5] - 1 do
  redis.call('SELECT', database)
  if redis.call('EXISTS', lease) == 1 then return 1 end
  if is_cauldrons and redis.call('SISMEMBER', registry, service) == 1 then return 1 end
end
return 0
