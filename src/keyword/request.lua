-- Tells the dispatcher of a wish, if there is one that answers. Gives how many heard it, or -1, and the
-- type of the keyword.
local lease, kind, channel = KEYS[1], KEYS[2], ARGV[1]
local heard = -1
if redis.call('EXISTS', lease) == 1 then
  local clock = redis.call('TIME')
  local at = string.format('@%.0f', clock[1] * 1000000 + clock[2])
  heard = redis.call('PUBLISH', channel, ARGV[2] .. at .. ARGV[3])
end
return {heard, redis.call('GET', kind) or ''}
