-- Takes a free lease again.
-- Expects lease, id and holder of holder.lua. ARGV: lease in milliseconds as the second.
-- Defines last, the key of the last dispatcher.

-- The last dispatcher, and since when it has served without another one in between.
local last = string.gsub(lease, 'lease$', 'last')
if not holder then
  redis.call('SET', lease, id, 'PX', ARGV[2])
  local before = redis.call('GET', last)
  if before and not string.find(before, id .. ' ', 1, true) then
    local clock = redis.call('TIME')
    local since = string.format('%.0f', clock[1] * 1000000 + clock[2])
    redis.call('SET', last, id .. ' ' .. since, 'PX', 86400000)
  end
end
