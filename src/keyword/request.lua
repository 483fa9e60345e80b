-- Tells the dispatcher of a wish, if there is one that answers. Gives how many heard it, and the type of
-- the keyword; -1 if the service is served by one that does not answer, -2 if it is not served.
local lease, kind, registry, channel = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local heard = redis.call('SISMEMBER', registry, ARGV[4]) - 2
if redis.call('EXISTS', lease) == 1 then
  local clock = redis.call('TIME')
  local at = string.format('@%.0f', clock[1] * 1000000 + clock[2])
  heard = redis.call('PUBLISH', channel, ARGV[2] .. at .. ARGV[3])
end
return {heard, redis.call('GET', kind) or ''}
