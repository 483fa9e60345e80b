-- Returns whether a request is no longer awaited: its time is over, or it has its outcome. It is
-- abandoned if another dispatcher has served since it was made: this one may have carried it out
-- before, and that one may have changed the keyword since.
-- Expects last of lease.lua and answer() of answer.lua.
local function is_over(outcome, time, ends)
  if time == '0' then return false end
  if redis.call('EXISTS', outcome) == 1 then return true end
  if ends == '0' then return false end
  local clock = redis.call('TIME')
  if clock[1] * 1000000 + clock[2] > tonumber(ends) then return true end
  local since = string.match(redis.call('GET', last) or '', ' (%d+)$')
  local is_abandoned = since and tonumber(ends) - tonumber(time) * 1000 < tonumber(since)
  if is_abandoned then answer(outcome, '?another dispatcher served in between', time) end
  return is_abandoned
end

