-- Goes on only for the dispatcher whose lease it is, the last key, or while it is nobody's.
local lease, id = KEYS[#KEYS], ARGV[1]
local holder = redis.call('GET', lease)
if holder and holder ~= id then return false end
