-- Goes on only for the dispatcher whose lease it is, the last key. One that is nobody's is taken again.
local lease, id = KEYS[#KEYS], ARGV[1]
-- Who has served last, and since when without another one in between.
local last = string.gsub(lease, 'lease$', 'last')
local holder = redis.call('GET', lease)
if holder and holder ~= id then return false end
if not holder then
  redis.call('SET', lease, id, 'PX', ARGV[2])
  local before = redis.call('GET', last)
  if before and not string.find(before, id .. ' ', 1, true) then
    local clock = redis.call('TIME')
    local since = string.format('%.0f', clock[1] * 1000000 + clock[2])
    redis.call('SET', last, id .. ' ' .. since, 'PX', 86400000)
  end
end
