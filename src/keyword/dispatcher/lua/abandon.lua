-- Abandons a write that has begun, unless it has its outcome by now. Follows status.lua and
-- answer.lua.
-- KEYS: status, failure, times, outcome, lease.
-- ARGV: holder, lease in milliseconds, keyword, its channel, reason, milliseconds to keep the
-- outcome.
-- Reply: 1, or 0 if the dispatcher no longer holds the lease.
local outcome, reason, time = KEYS[4], ARGV[5], ARGV[6]
local keyword =
  {status = KEYS[1], failure = KEYS[2], times = KEYS[3], name = ARGV[3], channel = ARGV[4]}
local is_holder = redis.call('GET', KEYS[5]) == ARGV[1]
if is_holder and redis.call('GET', keyword.status) == 'modify' then
  turn(keyword, moment(keyword, 0), 'error', reason, false, false, ' write')
end
local done = redis.call('HGET', keyword.times, keyword.name .. ':request') or ''
if string.match(done, '^%d+ (.*)$') ~= outcome and redis.call('EXISTS', outcome) == 0 then
  answer(outcome, '?' .. reason, time)
end
return is_holder and 1 or 0
