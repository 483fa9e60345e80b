-- Tells the dispatcher of a wish, if there is one that answers. Gives how many heard it, and the type of
-- the keyword; -1 if the service is served by one that does not answer, -2 if it is not served.
local lease, kind, registry, channel, value = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[5]
local heard = redis.call('SISMEMBER', registry, ARGV[4]) - 2
if redis.call('EXISTS', lease) == 1 then
  local clock = redis.call('TIME')
  local at = string.format('@%.0f', clock[1] * 1000000 + clock[2])
  heard = redis.call('PUBLISH', channel, ARGV[2] .. at .. ARGV[3])
elseif heard == -1 and redis.pcall('PUBSUB', 'NUMSUB', value)[2] == 0 then
  -- Cauldron's dispatchers subscribe to the channel itself. Who only has a pattern was held up past its
  -- lease, and would do it whenever it goes on.
  heard = -2
end
return {heard, redis.call('GET', kind) or ''}
