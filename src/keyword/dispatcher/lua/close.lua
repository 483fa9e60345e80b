-- Accepts no more requests, and publishes that on their channel: all requests sent before have been
-- received by then.
-- KEYS: closing, lease.
-- ARGV: holder, milliseconds to keep `closing`, request channel, message.
-- Reply: 1, or 0 if the dispatcher no longer holds the lease.
local lease, closing = KEYS[2], KEYS[1]
if redis.call('GET', lease) ~= ARGV[1] then return 0 end
redis.call('SET', closing, ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
