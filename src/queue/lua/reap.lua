-- Takes back the jobs of consumers whose lease has expired, at most 1,000 items.
-- KEYS: queue, consumers, dead, gone, held, counts, settings, then the list of each consumer.
-- ARGV: lease in milliseconds, max_deliveries, dead_capacity (settings take precedence over the
-- last two), then the ids of the consumers in the order of their lists.
-- Reply: how many of the consumers are finished, counted from the first; how many had jobs that were
-- taken back; how many jobs were, and how many of these were buried.
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
local left, number, holders, buried = 1000, 0, 0, 0

-- Takes back from the end of the list, so that the items keep their order at the head of the queue.
local function take_back(id, claimed)
  local items, back = redis.call('LRANGE', claimed, -left, -1), {}
  local tombstone, before = header .. '-' .. id, number
  for i = 1, #items do
    if items[i] ~= tombstone then
      local deliveries, name, payload, mark = parse(items[i])
      number = number + 1
      if name == '' then name = new_id(clock, id, number) end
      local again, delivered = lose(deliveries, name, payload, mark)
      if delivered >= most and delivered > deliveries then
        buried = buried + 1
        bury(dead, capacity, counts, now, again, 'its consumer was lost while holding it')
      else
        table.insert(back, again)
      end
    end
  end
  if #back > 0 then
    -- The last one is pushed first.
    local reversed = {}
    for i = #back, 1, -1 do table.insert(reversed, back[i]) end
    redis.call('LPUSH', queue, unpack(reversed))
    redis.call('HINCRBY', counts, 'redelivered', #back)
    redis.call('HINCRBY', counts, 'claimed', -#back)
  end
  redis.call('LTRIM', claimed, 0, -#items - 1)
  -- Even if more is left to take back: the consumer must not go on with a part of its list.
  redis.call('ZREM', consumers, id)
  redis.call('HDEL', held, id)
  -- A process that was stopped before it began to wait may continue within a day.
  redis.call('ZADD', gone, now + 86400000, id)
  left = left - #items
  if number > before then holders = holders + 1 end
end

local through = 0
for i = 4, #ARGV do
  local id, claimed = ARGV[i], KEYS[i + 4]
  local score = redis.call('ZSCORE', consumers, id)
  local is_lost = not score or tonumber(score) <= now - lease
  if is_lost and (score or redis.call('EXISTS', claimed) == 1) then
    if left == 0 then break end
    take_back(id, claimed)
    if redis.call('EXISTS', claimed) == 1 then break end
  end
  through = through + 1
end
redis.call('PEXPIRE', gone, 8640000000)
return {through, holders, number, buried}
