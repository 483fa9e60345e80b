local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- A keyword is a table of its name, its channel, and its keys: value, status, failure and times. In
-- the last, a hash of all keywords, `NAME` is when it got its value and `NAME:status` is when
-- anything of it changed last, followed by `write` if that was the failure of a write.

-- What is no time was written by another program.
local function time_of(text)
  local at = tonumber(string.match(text or '', '^%d+')) or 0
  return at < 2 ^ 53 and at or 0
end

local function status_field(keyword) return keyword.name .. ':status' end

-- A time by the server's clock, but later than all of the keyword, and than `least`.
local function moment(keyword, least)
  local set, changed =
    unpack(redis.call('HMGET', keyword.times, keyword.name, status_field(keyword)))
  local before = math.max(time_of(set), time_of(changed), tonumber(least))
  return string.format('%.0f', math.max(now, before + 1))
end

-- Whether a write goes on, whose status expires, or has failed. Only the outcome of a write ends
-- that.
local function is_of_a_write(keyword)
  local status = redis.call('GET', keyword.status)
  if status == 'modify' then return redis.call('PTTL', keyword.status) > 0 and status end
  local changed = redis.call('HGET', keyword.times, status_field(keyword)) or ''
  return status == 'error' and string.find(changed, ' write$') and status
end

-- Publishes what a keyword is from now on, and then writes it: its status, why it failed if it did,
-- and its value if `text` is one. `time` is for how long a status lasts, if not for ever. The first
-- write is one that a server without memory refuses.
local function turn(keyword, at, status, reason, text, time, mark)
  redis.call('HSET', keyword.times, status_field(keyword), at .. (mark or ''))
  local message
  if #(text or '') + #(reason or '') > 1048576 then
    -- The server cuts off who is sent too much at once: what is long has to be read.
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
