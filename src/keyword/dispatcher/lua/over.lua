-- Returns whether a request is no longer awaited: its time is over, or another dispatcher has
-- answered it, or may have, if that has served since the request was made.
-- Expects last of lease.lua.
local function is_over(outcome, time, ends)
  if time == '0' then return false end
  local clock = redis.call('TIME')
  if ends ~= '0' then
    if clock[1] * 1000000 + clock[2] > tonumber(ends) then return true end
    local since = string.match(redis.call('GET', last) or '', ' (%d+)$')
    if since and tonumber(ends) - tonumber(time) * 1000 < tonumber(since) then return true end
  end
  return redis.call('EXISTS', outcome) == 1
end

