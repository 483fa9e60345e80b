-- Gives what a consumer sessions under its old ids to a new one. What the server may still do for an old
-- one, if it may, goes to a list that is looked after, for as long as a network may take to bring what was
-- sent.
local consumers, gone, held, claimed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, known, leaves, mark = ARGV[1], ARGV[2] == '1', ARGV[3] == '1', -1
for i = 4, #ARGV do
  local heard = redis.call('ZSCORE', consumers, ARGV[i])
  if heard then mark = heard % 1 * 2048 end
end
-- The consumer was lost. Its list since then is not the one that it knows of.
if known and mark < 0 then return {mark} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREM', consumers, '')
-- Registers the consumer before it gets anything: jobs of an unregistered consumer are never taken
-- back.
redis.call('ZADD', consumers, now + math.max(mark, 0) / 2048, id)
-- The latest first: a recovery in doubt may have moved the list there, and jobs that a wait has
-- brought to an earlier id since then are newer.
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
-- Removes the retired ids of a queue that is not used any more.
redis.call('PEXPIRE', gone, 8640000000)
local reply = redis.call('LRANGE', claimed, 0, -1)
table.insert(reply, 1, mark)
return reply
