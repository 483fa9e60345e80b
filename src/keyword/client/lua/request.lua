-- Publishes a request if a dispatcher that answers serves, on the channel of that dispatcher: a
-- former one that still subscribes does not count as a receiver. Takes no KEYS: the server would
-- require permission to write them, and they are only read.
-- ARGV: value key, lease, type key, registry, start of the request channels, head and rest of the
-- message, service name, closing key.
-- Reply: {receivers, type of the keyword}. In place of the receivers, -1 if the service is served
-- by a dispatcher that does not answer, and -2 if it is not served.
local value, lease, kind, registry, requests = unpack(ARGV, 1, 5)
local head, rest, service, closing = unpack(ARGV, 6, 9)

-- Returns how many clients subscribe to the channel itself, of all that a message reaches. A
-- pattern subscriber is a bystander, or a dispatcher delayed past its lease, which would act on the
-- message whenever it resumes.
local function listeners(to, reached)
  local counted = redis.pcall('PUBSUB', 'NUMSUB', to)
  return counted[2] and math.min(counted[2], reached) or reached
end

local receivers = redis.call('SISMEMBER', registry, service) - 2
local holder = redis.pcall('GET', lease)
if type(holder) == 'table' then return {err = holder.err .. ': ' .. lease} end
-- The reply is an error, which is no holder, where the user may not read it.
if holder and redis.pcall('GET', closing) == holder then
  receivers = -2
elseif holder then
  local clock = redis.call('TIME')
  local at = string.format('@%.0f', clock[1] * 1000000 + clock[2])
  local channel = requests .. holder
  receivers = listeners(channel, redis.call('PUBLISH', channel, head .. at .. rest))
elseif receivers == -1 and listeners(value, 1) == 0 then
  -- Cauldron dispatchers subscribe to the channel itself.
  receivers = -2
end
return {receivers, redis.call('GET', kind) or ''}
