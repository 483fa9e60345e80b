-- Counts the jobs in a queue, and those that have left it.
-- KEYS: queue, delayed, dead, paused, consumers, held, counts, entered, gone, settings, then the
-- lists of the consumers that the caller knows.
-- ARGV: 1 to include the retired ids, else 0.
-- Reply: 14 numbers (now, pending, in flight, delayed, dead, paused, milliseconds of the oldest
-- pending, the longest running, done, retried, returned, buried, milliseconds of the longest
-- held and not begun, settings replaced; -1 if unknown), the ids of the consumers, and the retired
-- ids.
local queue, delayed, dead, paused = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local consumers, held, counts, entered, gone = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings = KEYS[10]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local oldest, first = -1, redis.call('LINDEX', queue, 0)
-- A server that refuses writes can still be asked.
if type(redis.pcall('ZREM', consumers, '')) == 'number' then
  local since = waits_since(queue, counts, entered, now)
  if since then oldest = math.max(0, now - since) end
end
if first then
  local deliveries, id = parse(first)
  local microseconds = string.match(id, '^(%d+)-')
  if microseconds then oldest = math.max(oldest, now - math.floor(microseconds / 1000)) end
end
local longest, longest_unstarted = -1, -1
for i, times in ipairs(redis.call('HVALS', held)) do
  local runs, idles = string.match(times, '^(%d*);?(%d*)$')
  longest = math.max(longest, now - (tonumber(runs) or now + 1))
  longest_unstarted = math.max(longest_unstarted, now - (tonumber(idles) or now + 1))
end
local in_flight = 0
for i = 11, #KEYS do in_flight = in_flight + redis.call('LLEN', KEYS[i]) end
local count = redis.call('HMGET', counts, 'done', 'retried', 'redelivered', 'dead')
local reply = {
  now, redis.call('LLEN', queue), in_flight, redis.call('ZCARD', delayed), redis.call('LLEN', dead),
  redis.call('EXISTS', paused), oldest, longest,
}
for i = 1, 4 do reply[8 + i] = tonumber(count[i] or 0) end
reply[13] = longest_unstarted
reply[14] = tonumber(redis.call('HGET', settings, 'replaced') or 0)
return {
  reply, redis.call('ZRANGE', consumers, 0, -1),
  ARGV[1] == '1' and redis.call('ZRANGE', gone, 0, -1) or {},
}
