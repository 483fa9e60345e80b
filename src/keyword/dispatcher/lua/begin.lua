-- Marks a keyword as being written, unless the outcome is not awaited any more. Follows holder.lua,
-- lease.lua, status.lua, answer.lua and over.lua.
-- KEYS: status, failure, times, outcome, lease.
-- ARGV: holder, lease in milliseconds, keyword, its channel, milliseconds to keep the outcome, when
-- it is no longer awaited.
-- Reply: the time of that; 0 if it is not awaited; nil if another dispatcher holds the lease.
if is_over(KEYS[4], ARGV[5], ARGV[6]) then return 0 end
local keyword =
  {status = KEYS[1], failure = KEYS[2], times = KEYS[3], name = ARGV[3], channel = ARGV[4]}
local reason = redis.call('GET', keyword.failure)
local at = moment(keyword, 0)
turn(keyword, at, 'modify', reason, false, ARGV[2])
return at
