-- What programs have set explicitly for the queue, before and after this one has, and who has not been
-- heard of for as long as a lease, up to a thousand. Who begins replaces what others have set; who goes
-- on only adds what is not set.
local consumers, settings = KEYS[1], KEYS[2]
local begins, lease = ARGV[1] == '1', tonumber(ARGV[2])
local names = {'lease', 'max_deliveries', 'dead_capacity'}
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
local reply, replaces = {}, false
for i = 1, 3 do
  local own, stored = ARGV[i + 2], redis.call('HGET', settings, names[i]) or ''
  reply[i], reply[i + 3] = stored, stored
  if own ~= '' and own ~= stored and (begins or stored == '') then
    redis.call('HSET', settings, names[i], own)
    replaces = replaces or stored ~= ''
    reply[i + 3] = own
  end
end
if replaces then redis.call('HINCRBY', settings, 'replaced', 1) end
-- Removes the settings of a queue that is not used any more.
redis.call('PEXPIRE', settings, 8640000000)
lease = tonumber(reply[4]) or lease
local lost = redis.call('ZRANGEBYSCORE', consumers, '-inf', now - lease, 'LIMIT', 0, 1000)
for i = 1, #lost do reply[i + 6] = lost[i] end
return reply
