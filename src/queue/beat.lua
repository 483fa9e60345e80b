-- Renews leases: three arguments a consumer, its id, how many jobs it holds, and for how many
-- milliseconds it has held the oldest. Says which leases there still are.
local consumers, held = KEYS[1], KEYS[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
local reply = {}
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  local heard = redis.call('ZSCORE', consumers, id)
  if heard then
    redis.call('ZADD', consumers, now + heard % 1, id)
    if ARGV[i + 1] == '0' then
      redis.call('HDEL', held, id)
    else
      redis.call('HSET', held, id, now - tonumber(ARGV[i + 2]))
    end
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
return reply
