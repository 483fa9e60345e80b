-- Sets a keyword to a value, or only to a new time where `text` is false, and returns the time,
-- which is later than `least`. The status stays during a write and after one that failed, unless
-- this is the outcome of a write.
-- Expects moment(), is_of_a_write() and turn() of status.lua.
local function put(keyword, text, least, is_outcome)
  local at = moment(keyword, least)
  redis.call('HSET', keyword.times, keyword.name, at)
  if text and redis.call('GET', keyword.value) == text then text = false end
  local status = not is_outcome and is_of_a_write(keyword)
  if not status then
    local is_ready = redis.call('GET', keyword.status) == 'ready'
    if text or not is_ready or redis.call('EXISTS', keyword.failure) == 1 then
      turn(keyword, at, 'ready', false, text)
    end
  elseif text then
    local time = status == 'modify' and redis.call('PTTL', keyword.status)
    local mark = status == 'error' and ' write' or ''
    turn(keyword, at, status, redis.call('GET', keyword.failure), text, time, mark)
  end
  return at
end
