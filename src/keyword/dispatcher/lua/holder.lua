-- Continues only for the dispatcher that holds the lease, or while the lease is free; otherwise the
-- reply is nil.
-- KEYS: the last one is the lease.
-- ARGV: holder first.
-- Defines lease, id and holder.
local lease, id = KEYS[#KEYS], ARGV[1]
local holder = redis.call('GET', lease)
if holder and holder ~= id then return false end
