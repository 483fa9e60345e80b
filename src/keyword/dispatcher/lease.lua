-- Goes on only for the dispatcher whose lease it is, the last key. One that is nobody's is taken again.
local lease, id = KEYS[#KEYS], ARGV[1]
local holder = redis.call('GET', lease)
if holder and holder ~= id then return false end
if not holder then redis.call('SET', lease, id, 'PX', ARGV[2]) end
