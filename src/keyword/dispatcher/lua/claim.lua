-- Takes a lease, unless another dispatcher serves.
-- KEYS: registry, descriptions, lease.
-- ARGV: holder, lease in milliseconds, service name, start of the value keys, pattern of the value
-- keys, channel of arrivals, then the keywords.
-- Reply: 1, or 0 if another dispatcher serves.
local registry, descriptions, lease = KEYS[1], KEYS[2], KEYS[3]
local service, prefix, pattern, news = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local first = 7

-- Returns whether a Cauldron dispatcher may serve. It has no lease, and subscribes to the channel
-- of each of its keywords, all of which have values. A client that subscribes to only some of the
-- known keywords is a bystander, as is one that subscribes to the only keyword of a crashed
-- dispatcher of this crate, which has left its descriptions.
local function may_be_cauldrons()
  local listens, is_subscribed = {}, false
  for _, channel in ipairs(redis.call('PUBSUB', 'CHANNELS', pattern)) do
    if not string.find(channel, '[.:]', #prefix + 1) then
      listens[channel], is_subscribed = true, true
    end
  end
  if not is_subscribed then return false end
  local described = redis.call('HKEYS', descriptions)
  for _, name in ipairs(described) do
    if not listens[prefix .. name] then return false end
  end
  for i = first, #described == 0 and #ARGV or first - 1 do
    local value = prefix .. ARGV[i]
    if not listens[value] and redis.call('EXISTS', value) == 1 then return false end
  end
  return #described ~= 1
end

local holder = redis.call('GET', lease)
if holder and holder ~= ARGV[1] then return 0 end
-- A holder of the lease has found before that no other dispatcher serves.
if not holder and redis.call('SISMEMBER', registry, service) == 1 and may_be_cauldrons() then
  return 0
end
-- First, since it may be forbidden. Subscribers receive it after all this.
redis.call('PUBLISH', news, 'served')
redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
local last, clock = string.gsub(lease, 'lease$', 'last'), redis.call('TIME')
local since = string.format('%.0f', clock[1] * 1000000 + clock[2])
redis.call('SET', last, ARGV[1] .. ' ' .. since, 'PX', 86400000)
redis.call('SADD', registry, service)
redis.call('DEL', descriptions)
return 1
