-- Publishes a write request, if there is a dispatcher that answers. Gives how many heard it, and the type
-- of the keyword; -1 if the service is served by one that does not answer, -2 if it is not served.
-- Takes no keys: the server would want the right to write them, and this only reads.
local value, lease, kind, registry, channel = unpack(ARGV, 1, 5)
local head, rest, service, closing = unpack(ARGV, 6, 9)

-- How many listen to a channel itself, of all that a message reaches. Who has a pattern is a
-- bystander, or a dispatcher that was held up past its lease, and would do what it hears whenever
-- it goes on.
local function listeners(to, reached)
  local counted = redis.pcall('PUBSUB', 'NUMSUB', to)
  return counted[2] and math.min(counted[2], reached) or reached
end

-- Whether the dispatcher is about to end. Taken as false where the user may not read that.
local function is_closing()
  local id = redis.pcall('GET', closing)
  return type(id) == 'string' and id == redis.pcall('GET', lease)
end

local heard = redis.call('SISMEMBER', registry, service) - 2
if is_closing() then
  heard = -2
elseif redis.call('EXISTS', lease) == 1 then
  local clock = redis.call('TIME')
  local at = string.format('@%.0f', clock[1] * 1000000 + clock[2])
  heard = listeners(channel, redis.call('PUBLISH', channel, head .. at .. rest))
elseif heard == -1 and listeners(value, 1) == 0 then
  -- Cauldron's dispatchers subscribe to the channel itself.
  heard = -2
end
return {heard, redis.call('GET', kind) or ''}
