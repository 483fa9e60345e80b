-- Takes a lease, unless somebody serves. A dispatcher of Cauldron's has none; it listens to the
-- channels of its keywords.
local registry, descriptions, lease = KEYS[1], KEYS[2], KEYS[3]
local service, prefix, pattern, news = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local holder = redis.call('GET', lease)
if holder and holder ~= ARGV[1] then return 0 end
if redis.call('SISMEMBER', registry, service) == 1 then
  for _, channel in ipairs(redis.call('PUBSUB', 'CHANNELS', pattern)) do
    if not string.find(channel, '[.:]', #prefix + 1) then return 0 end
  end
end
-- First, since it may be forbidden. It is heard after all this.
redis.call('PUBLISH', news, 'served')
redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
redis.call('SADD', registry, service)
redis.call('DEL', descriptions)
return 1
