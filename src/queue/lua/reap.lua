-- Takes back what consumers held that have not been heard of for as long as a lease, up to a thousand jobs.
-- Says with how many of the consumers it is through.
local queue, consumers, dead = KEYS[1], KEYS[2], KEYS[3]
local gone, held, counts = KEYS[4], KEYS[5], KEYS[6]
local stored = redis.call('HMGET', KEYS[7], 'max_deliveries', 'dead_capacity')
local lease = tonumber(ARGV[1])
local most, capacity = tonumber(stored[1] or ARGV[2]), tonumber(stored[2] or ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('LLEN', queue)
redis.call('LLEN', dead)
redis.call('ZREM', consumers, '')
local left, number = 1000, 0

-- Takes back the last ones, so that all stand in their order at the head of the queue.
local function take_back(id, claimed)
  local items, back = redis.call('LRANGE', claimed, -left, -1), {}
  local tombstone = header .. '-' .. id
  for i = 1, #items do
    if items[i] ~= tombstone then
      local attempts, name, payload, mark = parse(items[i])
      number = number + 1
      if name == '' then name = new_id(clock, id, number) end
      local again, delivered = lose(attempts, name, payload, mark)
      if delivered >= most and delivered > attempts then
        bury(dead, capacity, counts, now, again, 'its consumer was lost with it')
      else
        table.insert(back, 1, again)
      end
    end
  end
  if #back > 0 then
    redis.call('LPUSH', queue, unpack(back))
    redis.call('HINCRBY', counts, 'redelivered', #back)
    redis.call('HINCRBY', counts, 'claimed', -#back)
  end
  redis.call('LTRIM', claimed, 0, -#items - 1)
  -- Even if there is more to take back: the consumer must not continue with a part of its list.
  redis.call('ZREM', consumers, id)
  redis.call('HDEL', held, id)
  -- It may have been frozen before it began to wait, and thaw within a day.
  redis.call('ZADD', gone, now + 86400000, id)
  left = left - #items
end

local through = 0
for i = 4, #ARGV do
  local id, claimed = ARGV[i], KEYS[i + 4]
  local heard = redis.call('ZSCORE', consumers, id)
  local is_lost = not heard or tonumber(heard) <= now - lease
  if is_lost and (heard or redis.call('EXISTS', claimed) == 1) then
    if left == 0 then break end
    take_back(id, claimed)
    if redis.call('EXISTS', claimed) == 1 then break end
  end
  through = through + 1
end
redis.call('PEXPIRE', gone, 8640000000)
return through
