-- Defines waits_since(queue, counts, entered, now) for the scripts that follow it.
-- KEYS, ARGV: none of its own. Reply: none.
-- The function returns a time since which the first job has waited at least, or nil, and records
-- how many jobs had entered by `now`: those claimed so far and those pending. A job was pending at
-- the time of a record if no more jobs than the record counts have left since.
local function waits_since(queue, counts, entered, now)
  local gone = tonumber(redis.call('HGET', counts, 'claimed') or 0)
  local all = gone + redis.call('LLEN', queue)
  redis.call('ZREMRANGEBYSCORE', entered, '-inf', gone)
  -- Other programs popped items, so that these counts are too high.
  redis.call('ZREMRANGEBYSCORE', entered, '(' .. all, '+inf')
  local first = redis.call('ZRANGE', entered, 0, 0)[1]
  local last = redis.call('ZRANGE', entered, -1, -1, 'WITHSCORES')
  -- A year takes fewer than a thousand records.
  local pause = first and math.max(1000, (now - first) / 50) or 0
  if all > (tonumber(last[2]) or gone) and now - (last[1] or now) >= pause then
    redis.call('ZADD', entered, all, now)
  end
  return first
end
