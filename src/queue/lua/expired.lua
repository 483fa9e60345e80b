-- Exchanges settings with the other programs of the queue, and finds expired leases. A program that
-- starts replaces stored settings by its explicit ones; later it only adds settings that are
-- missing.
-- KEYS: consumers, settings.
-- ARGV: 1 if the program starts, else 0; the lease in milliseconds; then the program's explicit
-- lease, max_deliveries and dead_capacity, each empty if it has none.
-- Reply: the three settings as stored before, the three as stored now (empty if unset), then up to
-- 1,000 consumer ids whose lease has expired.
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
-- An unused queue forgets its settings after a hundred days.
redis.call('PEXPIRE', settings, 8640000000)
lease = tonumber(reply[4]) or lease
local lost = redis.call('ZRANGEBYSCORE', consumers, '-inf', now - lease, 'LIMIT', 0, 1000)
for i = 1, #lost do reply[i + 6] = lost[i] end
return reply
