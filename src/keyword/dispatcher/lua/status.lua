-- Defines how the status of a keyword is read and written.
-- Expects no variables.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- A keyword is a table of its name, its channel, and its keys: value, status, failure and times.
-- The last is a hash of all keywords, in which `NAME` is the time of its value, and `NAME:status`
-- the time of the last change of anything of it, followed by `write` if that was the failure of a
-- write.

-- A text that is not a time was written by another program.
local function time_of(text)
  local at = tonumber(string.match(text or '', '^%d+')) or 0
  return at < 2 ^ 53 and at or 0
end

local function status_field(keyword) return keyword.name .. ':status' end

-- Returns a time on the server's clock, later than all times of the keyword and than `least`.
local function moment(keyword, least)
  local set, changed =
    unpack(redis.call('HMGET', keyword.times, keyword.name, status_field(keyword)))
  local before = math.max(time_of(set), time_of(changed), tonumber(least))
  return string.format('%.0f', math.max(now, before + 1))
end

-- Returns whether a write is running, whose status expires, or has failed. Only the outcome of a
-- write ends that.
local function is_of_a_write(keyword)
  local status = redis.call('GET', keyword.status)
  if status == 'modify' then return redis.call('PTTL', keyword.status) > 0 and status end
  local changed = redis.call('HGET', keyword.times, status_field(keyword)) or ''
  return status == 'error' and string.find(changed, ' write$') and status
end

-- Publishes the new state of a keyword, and then writes it: its status, the reason for a failure,
-- and its value if `text` is one. A status expires after `time` milliseconds, if given. The first
-- write is one that a server without memory refuses.
local function turn(keyword, at, status, reason, text, time, mark)
  redis.call('HSET', keyword.times, status_field(keyword), at .. (mark or ''))
  local message
  if #(text or '') + #(reason or '') > 1048576 then
    -- The server disconnects a subscriber that is sent too much at once: a long value must be read.
    message = ''
  elseif status == 'ready' and text then
    message = at .. ' ' .. text
  else
    message = status .. ' ' .. at .. ' ' .. (reason and #reason or -1) .. ' ' .. (reason or '')
    if text then message = message .. ' ' .. text end
  end
  redis.call('PUBLISH', keyword.channel, message)
  if text then redis.call('SET', keyword.value, text) end
  if time then
    redis.call('SET', keyword.status, status, 'PX', time)
  else
    redis.call('SET', keyword.status, status)
  end
  if status == 'error' then
    redis.call('SET', keyword.failure, reason)
  elseif status == 'ready' then
    redis.call('DEL', keyword.failure)
  end
end
