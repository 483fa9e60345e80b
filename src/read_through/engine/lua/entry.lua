-- Defines how a value and its load are read and written, for the scripts that follow it.
-- KEYS: the value, a string or a hash with a field for it; the hash of its loads.
-- ARGV: the shape: s for a string, h for a field of a hash whose fields do not expire, x if they
-- do; the field, empty for a string; for how many milliseconds loads are remembered after their
-- lease.
-- Reply: none.
--
-- The hash of loads has `<end>:<generation>` while a value is loaded, and `<end>:` while the value
-- is known to be absent at its source. After the end another program may start to load. The
-- generation stays, so that the first load to finish may store, until the value is deleted or set.
-- A note may follow: `:` once another program waits, and `:<time>:<outcome>` of the last load
-- without a value. `<end>:-` with such a note remains after that load, for the programs that
-- waited.
local shape, field, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read()
  if shape == 's' then return redis.call('GET', KEYS[1]) end
  return redis.call('HGET', KEYS[1], field)
end

-- Identifies a value. Hashing a large one would block the server.
local function digest(value)
  return #value > 1048576 and string.format('%d', #value) or redis.sha1hex(value)
end

local function left()
  if shape == 's' then return redis.call('PTTL', KEYS[1]) end
  if shape == 'h' then return -1 end
  local left = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, field)
  return left.err and left or left[1] or -2
end

-- Leaves everything unchanged if it returns an error.
local function write(value, time)
  local expires, written = time ~= '0'
  if shape == 's' then
    written = redis.pcall('SET', KEYS[1], value, unpack(expires and {'PX', time} or {}))
  else
    written = expires and obstacle(field, time) or redis.pcall('HSET', KEYS[1], field, value)
  end
  if type(written) == 'table' and written.err then return written end
  if expires and shape ~= 's' then redis.call('HPEXPIRE', KEYS[1], time, 'FIELDS', 1, field) end
end

local function remove()
  if shape == 's' then return redis.call('UNLINK', KEYS[1]) end
  return redis.call('HDEL', KEYS[1], field)
end

-- Returns whether the entry has not ended, its generation and its note. Other programs may have
-- written it: an entry that ends later than this crate could have written counts as ended.
local function known()
  local entry = redis.call('HGET', KEYS[2], field)
  local ends, generation, note = string.match(entry or '', '^(%d+):([^:]*)(.*)$')
  if not ends then return false, nil, '' end
  if generation == '-' then return false, nil, note end
  local rest = tonumber(ends) - now
  return rest > 0 and (generation == '' or rest <= kept), generation, note
end

-- Returns how long ago a load ended without a value, and its outcome, if a note has them.
local function noted(note)
  local at, outcome = string.match(note, '^:(%d+):(.*)$')
  if at then return now - tonumber(at), outcome end
end

local function forget() return redis.call('HDEL', KEYS[2], field) end

local function remember(time, generation, note)
  -- Once there are many fields, drops those whose loads died or whose absence expired, a few at a
  -- time.
  if redis.call('HLEN', KEYS[2]) > 100 then
    for _, other in ipairs(redis.call('HRANDFIELD', KEYS[2], 3)) do
      local ends = string.match(redis.call('HGET', KEYS[2], other), '^%d+')
      if not ends or tonumber(ends) + kept < now then redis.call('HDEL', KEYS[2], other) end
    end
  end
  redis.call('HSET', KEYS[2], field, string.format('%.0f:%s', now + time, generation) .. note)
  local is_over = generation == '' or generation == '-'
  local span = is_over and time or time + kept
  if redis.call('PTTL', KEYS[2]) < span then
    redis.call('PEXPIRE', KEYS[2], string.format('%.0f', span))
  end
end

-- How many milliseconds an outcome is kept for the programs that wait. They poll far more often.
local kept_for_waiters = 1000

-- Keeps the outcome of a load for the programs that wait, and for all others for `time`.
local function keep_outcome(outcome, time)
  remember(math.max(kept_for_waiters, time), '-', string.format(':%.0f:', now) .. outcome)
end
