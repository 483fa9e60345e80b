local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- Gives a keyword a value, or only a new time where `text` is false, and says when: after `least`.
-- The time comes first: a server without memory refuses it before anything is published.
local function put(times, name, channel, value, status, failure, text, least)
  local before = tonumber(redis.call('HGET', times, name) or '') or 0
  -- What is no time was written by somebody else.
  if not (before < 2 ^ 53) then before = 0 end
  before = math.max(before, tonumber(least))
  local at = string.format('%.0f', math.max(now, before + 1))
  redis.call('HSET', times, name, at)
  if text and redis.call('GET', value) ~= text then
    -- The server cuts off who is sent too much at once: what is long has to be read.
    redis.call('PUBLISH', channel, #text > 1048576 and '' or at .. ' ' .. text)
    redis.call('SET', value, text)
  end
  redis.call('SET', status, 'ready')
  redis.call('DEL', failure)
  return at
end
