-- Since when at least the first job has waited, or nothing. Notes when how many jobs had entered: those
-- that were claimed so far and those that wait. A job waited by then if no more than that are gone now.
local function waits_since(queue, counts, entered, now)
  local gone = tonumber(redis.call('HGET', counts, 'claimed') or 0)
  local all = gone + redis.call('LLEN', queue)
  redis.call('ZREMRANGEBYSCORE', entered, '-inf', gone)
  -- Other programs have taken jobs, so that the numbers do not match any more.
  redis.call('ZREMRANGEBYSCORE', entered, '(' .. all, '+inf')
  local first = redis.call('ZRANGE', entered, 0, 0)[1]
  local last = redis.call('ZRANGE', entered, -1, -1, 'WITHSCORES')
  -- A year takes fewer than a thousand samples.
  local pause = first and math.max(1000, (now - first) / 50) or 0
  if all > (tonumber(last[2]) or gone) and now - (last[1] or now) >= pause then
    redis.call('ZADD', entered, all, now)
  end
  return first
end
