if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local length = redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
return length
