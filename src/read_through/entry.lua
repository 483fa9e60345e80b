-- KEYS[1] has the value: a string (shape 's'), or a field of a hash whose fields do not expire ('h')
-- or do ('x'). KEYS[2] has what is known of it besides: `<end>:<generation>` while it is loaded, and
-- `<end>:` while its source is known to have none. An end that has passed lets others begin to load;
-- the generation goes on, so that whoever is ready first may store, until somebody deletes or sets.
-- A note may follow: `:` once another program waits, and `:<time>:<outcome>` of the last load that
-- brought no value. `<end>:-` with such a note is what is left after it, for those who waited.
local shape, field, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read()
  if shape == 's' then return redis.call('GET', KEYS[1]) end
  return redis.call('HGET', KEYS[1], field)
end

-- What a value is known by. To hash a large one would hold the server up.
local function digest(value)
  return #value > 1048576 and string.format('%d', #value) or redis.sha1hex(value)
end

local function left()
  if shape == 's' then return redis.call('PTTL', KEYS[1]) end
  if shape == 'h' then return -1 end
  local left = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, field)
  return left.err and left or left[1] or -2
end

-- An error that it returns leaves everything as it was.
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

-- Whether something is known that has not ended, the generation, and the note. Anybody may have written
-- here: a load that ends later than ours are known for counts as ended.
local function known()
  local entry = redis.call('HGET', KEYS[2], field)
  local ends, generation, note = string.match(entry or '', '^(%d+):([^:]*)(.*)$')
  if not ends then return false, nil, '' end
  if generation == '-' then return false, nil, note end
  local rest = tonumber(ends) - now
  return rest > 0 and (generation == '' or rest <= kept), generation, note
end

-- How long ago a load brought no value, and what it brought instead, if a note says so.
local function noted(note)
  local at, outcome = string.match(note, '^:(%d+):(.*)$')
  if at then return now - tonumber(at), outcome end
end

local function forget() return redis.call('HDEL', KEYS[2], field) end

local function remember(time, generation, note)
  -- Of many fields, those whose loads died or whose absence ended are dropped by and by.
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

-- For how long those who wait can learn of an outcome: they ask much more often.
local told = 1000

-- Lets those who wait learn what came of a load, and all others for `time`.
local function leave(outcome, time)
  remember(math.max(told, time), '-', string.format(':%.0f:', now) .. outcome)
end
