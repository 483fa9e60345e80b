-- Renews leases: three arguments a consumer, its id, for how many milliseconds its oldest job has run, and
-- for how many the oldest that nobody has begun was held; -1 if there is none. Says which leases there
-- still are.
local consumers, held = KEYS[1], KEYS[2]
local function since(time, now) return time < 0 and '' or string.format('%.0f', now - time) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
local reply = {}
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  local heard = redis.call('ZSCORE', consumers, id)
  if heard then
    redis.call('ZADD', consumers, now + heard % 1, id)
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
