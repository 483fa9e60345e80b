-- Renews the lease, and the statuses of what is being written. Says whether the server still knows the
-- service, and where to find it.
local registry, descriptions = KEYS[1], KEYS[2]
redis.call('PEXPIRE', lease, ARGV[2])
for i = 3, #KEYS - 1 do
  if redis.call('GET', KEYS[i]) == 'modify' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return math.min(redis.call('EXISTS', descriptions), redis.call('SISMEMBER', registry, ARGV[3]))
