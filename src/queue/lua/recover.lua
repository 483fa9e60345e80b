-- Moves the jobs that a consumer holds under former ids to a new id. If the server may still act on
-- a request of a former id, that id is kept among the retired ones for as long as a network may
-- deliver it.
-- KEYS: consumers, gone, held, list of the new id, then the list of each former id.
-- ARGV: new id; 1 if a former id must be registered; 1 if the server may still act on a former id;
-- then the former ids, oldest first.
-- Reply: the sequence number of the last poll, or -1 if no former id is registered; then the items
-- of the list.
-- Only -1, with nothing changed, where a former id had to be registered.
local consumers, gone, held, claimed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, known, leaves, sequence = ARGV[1], ARGV[2] == '1', ARGV[3] == '1', -1
for i = 4, #ARGV do
  local score = redis.call('ZSCORE', consumers, ARGV[i])
  if score then sequence = score % 1 * 2048 end
end
-- The consumer was reaped. Its list may hold jobs since that it does not know.
if known and sequence < 0 then return {sequence} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
-- Registers the new id before it gets anything: jobs of an unregistered id are never taken back.
redis.call('ZADD', consumers, now + math.max(sequence, 0) / 2048, id)
-- The latest id first: a recovery with an unknown outcome may have moved the list there. What a
-- wait has brought to an earlier id since is newer.
for i = #ARGV, 4, -1 do
  local old, list = ARGV[i], KEYS[i + 1]
  local items = redis.call('LRANGE', list, 0, -1)
  for j = 1, #items do
    if items[j] == '\030q1;-' .. old then items[j] = '\030q1;-' .. id end
  end
  for j = 1, #items, 1000 do
    redis.call('RPUSH', claimed, unpack(items, j, math.min(j + 999, #items)))
  end
  redis.call('DEL', list)
  redis.call('ZREM', consumers, old)
  redis.call('HDEL', held, old)
  if leaves then redis.call('ZADD', gone, now + 1200000, old) end
end
-- An unused queue forgets its retired ids after a hundred days.
redis.call('PEXPIRE', gone, 8640000000)
local reply = redis.call('LRANGE', claimed, 0, -1)
table.insert(reply, 1, sequence)
return reply
