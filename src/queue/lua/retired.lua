-- Finds the retired consumer ids that the server has given jobs since. Forgets those that have no
-- list and whose time is up.
-- KEYS: the set of retired ids, then the list of each id.
-- ARGV: the ids, in the order of their lists.
-- Reply: the ids whose list exists.
local gone = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local given, over = {}, {}
for i = 1, #ARGV do
  if redis.call('EXISTS', KEYS[i + 1]) == 1 then
    given[#given + 1] = ARGV[i]
  else
    local until_then = redis.call('ZSCORE', gone, ARGV[i])
    if until_then and tonumber(until_then) <= now then over[#over + 1] = ARGV[i] end
  end
end
if #over > 0 then redis.call('ZREM', gone, unpack(over)) end
return given
