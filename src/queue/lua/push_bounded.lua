-- Pushes a job unless the queue is full.
-- KEYS: queue. ARGV: capacity, item.
-- Reply: the new length, or 0 if it was full.
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
return redis.call('RPUSH', KEYS[1], ARGV[2])
