-- Refuses a value, unless another dispatcher holds the lease. A request that was made before that
-- one began never reached it, and is abandoned. Follows status.lua, answer.lua and stranded.lua.
-- KEYS: status, failure, times, outcome, lease.
-- ARGV: holder, lease in milliseconds, keyword, its channel, 1 if the failure is published, reason,
-- milliseconds to keep the outcome, 1 if this is the outcome of a write, when it is no longer
-- awaited.
-- Reply: 1; nil if another dispatcher holds the lease.
local lease, outcome, time = KEYS[5], KEYS[4], ARGV[7]
local holder = redis.call('GET', lease)
if holder and holder ~= ARGV[1] then
  if is_left_to(ARGV[1], lease, time, ARGV[9]) and redis.call('EXISTS', outcome) == 0 then
    answer(outcome, '?' .. ARGV[6], time)
  end
  return false
end
-- A server without memory refuses only the first write, and not this one.
redis.call('PEXPIRE', lease, ARGV[2])
local is_published, reason, is_outcome = ARGV[5] == '1', ARGV[6], ARGV[8] == '1'
local keyword =
  {status = KEYS[1], failure = KEYS[2], times = KEYS[3], name = ARGV[3], channel = ARGV[4]}
if is_published and (is_outcome or not is_of_a_write(keyword)) then
  local at = moment(keyword, 0)
  turn(keyword, at, 'error', reason, false, false, is_outcome and ' write')
end
answer(outcome, '-' .. reason, time)
return 1
