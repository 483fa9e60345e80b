-- Renews the lease, and for a day, beyond which no request is wanted, who has served last. Renews
-- the statuses of what is being written. Says whether the server still knows the service, and where
-- to find it.
local registry, descriptions = KEYS[1], KEYS[2]
redis.call('PEXPIRE', lease, ARGV[2])
redis.call('PEXPIRE', last, 86400000)
for i = 3, #KEYS - 1 do
  if redis.call('GET', KEYS[i]) == 'modify' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return math.min(redis.call('EXISTS', descriptions), redis.call('SISMEMBER', registry, ARGV[3]))
