-- A server without memory refuses only the first write, and not this one.
redis.call('PEXPIRE', lease, ARGV[2])
local reason = ARGV[4]
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], reason)
  redis.call('SET', KEYS[2], 'error')
end
answer(KEYS[3], '-' .. reason, ARGV[5])
return 1
