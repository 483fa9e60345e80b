-- Refuses a value. Nothing but the outcome is written if another dispatcher holds the lease: that one
-- never received the request. Follows status.lua and answer.lua.
-- KEYS: status, failure, times, outcome, lease.
-- ARGV: holder, lease in milliseconds, keyword, its channel, 1 if the failure is published, reason,
-- milliseconds to keep the outcome, 1 if this is the outcome of a write.
-- Reply: 1; nil if another dispatcher holds the lease.
local lease, outcome, time = KEYS[5], KEYS[4], ARGV[7]
local is_published, reason, is_outcome = ARGV[5] == '1', ARGV[6], ARGV[8] == '1'
local holder = redis.call('GET', lease)
local is_anothers = holder and holder ~= ARGV[1]
if not is_anothers then
  -- A server without memory refuses only the first write, and not this one.
  redis.call('PEXPIRE', lease, ARGV[2])
  local keyword =
    {status = KEYS[1], failure = KEYS[2], times = KEYS[3], name = ARGV[3], channel = ARGV[4]}
  if is_published and (is_outcome or not is_of_a_write(keyword)) then
    turn(keyword, moment(keyword, 0), 'error', reason, false, false, is_outcome and ' write')
  end
end
answer(outcome, '-' .. reason, time)
return not is_anothers and 1
