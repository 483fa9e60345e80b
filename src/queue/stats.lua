local queue, delayed, dead, paused = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local consumers, held, counts = KEYS[5], KEYS[6], KEYS[7]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function milliseconds(id)
  local microseconds = string.match(id, '^(%d+)-')
  return microseconds and math.max(0, now - math.floor(tonumber(microseconds) / 1000)) or -1
end
local oldest, first = -1, redis.call('LINDEX', queue, 0)
if first then
  local attempts, id = parse(first)
  oldest = milliseconds(id)
end
local longest = -1
for i, since in ipairs(redis.call('HVALS', held)) do
  longest = math.max(longest, now - tonumber(since))
end
local count = redis.call('HMGET', counts, 'done', 'retried', 'redelivered', 'dead')
local reply = {
  now, redis.call('LLEN', queue), redis.call('ZCARD', delayed), redis.call('LLEN', dead),
  redis.call('EXISTS', paused), oldest, longest,
}
for i = 1, 4 do reply[7 + i] = tonumber(count[i] or 0) end
return {reply, redis.call('ZRANGE', consumers, 0, -1)}
