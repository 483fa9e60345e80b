-- Renews the lease, the statuses of the keywords that are being written, and, for a day, beyond
-- which no request is awaited, the record of the last dispatcher. Follows holder.lua and lease.lua.
-- KEYS: registry, descriptions, the statuses, lease.
-- ARGV: holder, lease in milliseconds, service name.
-- Reply: 1 if the server still has the descriptions and the registration, else 0; nil if another
-- dispatcher holds the lease.
local registry, descriptions = KEYS[1], KEYS[2]
redis.call('PEXPIRE', lease, ARGV[2])
redis.call('PEXPIRE', last, 86400000)
for i = 3, #KEYS - 1 do
  if redis.call('GET', KEYS[i]) == 'modify' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return math.min(redis.call('EXISTS', descriptions), redis.call('SISMEMBER', registry, ARGV[3]))
