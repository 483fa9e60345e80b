-- Tells the client who made a request, if its outcome is wanted for a time.
local function answer(outcome, text, time)
  if time ~= '0' then
    redis.call('RPUSH', outcome, text)
    redis.call('PEXPIRE', outcome, time)
  end
end
