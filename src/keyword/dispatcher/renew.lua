-- Renews the lease, and the statuses of what is being written. Says whether the server still knows the
-- service.
redis.call('PEXPIRE', lease, ARGV[2])
for i = 2, #KEYS - 1 do
  if redis.call('GET', KEYS[i]) == 'modify' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return redis.call('EXISTS', KEYS[1])
