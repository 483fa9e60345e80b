-- Renews leases.
-- KEYS: consumers, held.
-- ARGV: three for each consumer: its id, the milliseconds that its longest-running job has run, and
-- the milliseconds that its oldest job not yet begun has been held; -1 for none.
-- Reply: for each consumer 1, or 0 if it is not registered any more.
local consumers, held = KEYS[1], KEYS[2]
local function since(time, now) return time < 0 and '' or string.format('%.0f', now - time) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
local reply = {}
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  local score = redis.call('ZSCORE', consumers, id)
  if score then
    redis.call('ZADD', consumers, now + score % 1, id)
    local runs, idles = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    if runs < 0 and idles < 0 then
      redis.call('HDEL', held, id)
    else
      redis.call('HSET', held, id, since(runs, now) .. ';' .. since(idles, now))
    end
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
return reply
