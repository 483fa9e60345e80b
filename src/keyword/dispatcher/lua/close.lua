-- Takes no more requests, and publishes that on the channel on which they come: whatever was sent
-- before has been received by then.
local lease, closing = KEYS[2], KEYS[1]
if redis.call('GET', lease) ~= ARGV[1] then return 0 end
redis.call('SET', closing, ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
