-- Whether nobody waits for a request any more: its time is over, or another dispatcher has answered it.
local function is_over(outcome, time, ends)
  if time == '0' then return false end
  local clock = redis.call('TIME')
  if ends ~= '0' and clock[1] * 1000000 + clock[2] > tonumber(ends) then return true end
  return redis.call('EXISTS', outcome) == 1
end

