-- Sends the client of a request its outcome, kept for `time` milliseconds; not at all if that is 0.
-- Defines answer(). Expects no variables.
local function answer(outcome, text, time)
  if time ~= '0' then
    redis.call('RPUSH', outcome, text)
    redis.call('PEXPIRE', outcome, time)
  end
end
