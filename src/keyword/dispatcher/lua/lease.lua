-- A lease that is nobody's is taken again.

-- Who has served last, and since when without another one in between.
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
