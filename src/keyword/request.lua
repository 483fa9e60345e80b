-- Tells the dispatcher of a wish, if there is one that answers. Gives how many heard it, or -1, and the
-- type of the keyword.
local lease, kind, channel, wish = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local heard = -1
if redis.call('EXISTS', lease) == 1 then heard = redis.call('PUBLISH', channel, wish) end
return {heard, redis.call('GET', kind) or ''}
