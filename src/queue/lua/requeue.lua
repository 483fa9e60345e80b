-- Moves dead items back to the end of the queue, as if they had never been delivered.
-- KEYS: dead, queue. ARGV: how many at most.
-- Reply: how many were moved.
local dead, queue = KEYS[1], KEYS[2]
redis.call('LLEN', queue)
local items = redis.call('LRANGE', dead, 0, tonumber(ARGV[1]) - 1)
redis.call('LTRIM', dead, 0, -1)
for i = 1, #items do
  local length, start = string.match(items[i], '^\030d1;%d+;(%d+);()')
  local item = length and string.sub(items[i], start + tonumber(length)) or items[i]
  local deliveries, id, payload = parse(item)
  items[i] = wrap(0, id, payload, '')
end
if #items > 0 then
  redis.call('RPUSH', queue, unpack(items))
  redis.call('LTRIM', dead, #items, -1)
end
return #items
