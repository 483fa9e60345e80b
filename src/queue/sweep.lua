-- Takes back what a consumer held that has not been heard of for as long as a lease.
local queue, claimed, consumers, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local gone, held, counts = KEYS[5], KEYS[6], KEYS[7]
local id, lease, most, capacity = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local heard = redis.call('ZSCORE', consumers, id)
if heard and tonumber(heard) > now - lease then return {0, 0} end
redis.call('LLEN', queue)
redis.call('LLEN', dead)
redis.call('ZREM', consumers, '')
-- A thousand of the last ones, so that all will stand in their order at the head of the queue.
local items, back, number = redis.call('LRANGE', claimed, -1000, -1), {}, 0
local tombstone = header .. '-' .. id
for i = 1, #items do
  if items[i] ~= tombstone then
    local attempts, name, payload = parse(items[i])
    if name == '' then name = new_id(clock, id, i) end
    local again = wrap(attempts + 1, name, payload)
    number = number + 1
    if attempts + 1 >= most then
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
-- Also if there is more to take back: it must not go on with a part of its list.
redis.call('ZREM', consumers, id)
redis.call('HDEL', held, id)
-- It may have been frozen before it began to wait, and thaw within a day.
redis.call('ZADD', gone, now + 86400000, id)
redis.call('PEXPIRE', gone, 8640000000)
return {redis.call('EXISTS', claimed), number}
