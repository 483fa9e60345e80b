-- Describes a page of keywords, and gives them their initial values. Follows holder.lua, lease.lua,
-- status.lua, put.lua and overwritten.lua.
-- KEYS: for each keyword its value, status, failure and type; then registry, descriptions, times,
-- lease.
-- ARGV: holder, lease in milliseconds, service name; then for each keyword its name, description,
-- type, channel, rule, text, time, and since when it is being written, or 0.
-- Reply: for each keyword the time of its value; under the rules `put again` and `leave`, if that
-- is newer than the known time, the value and the values before it, else nil and nil. Nil alone if
-- another dispatcher holds the lease.
local first = #KEYS - 3
local registry, descriptions, times = KEYS[first], KEYS[first + 1], KEYS[first + 2]
redis.call('PEXPIRE', lease, ARGV[2])
redis.call('SADD', registry, ARGV[3])
local reply = {}
for i = 0, (first - 1) / 4 - 1 do
  local value, status, failure, kind = unpack(KEYS, 4 * i + 1, 4 * i + 4)
  local name, description, its_kind, channel, rule, text, at, begun =
    unpack(ARGV, 8 * i + 4, 8 * i + 11)
  local keyword = {
    value = value, status = status, failure = failure, times = times,
    name = name, channel = channel,
  }
  local changed = time_of(redis.call('HGET', times, status_field(keyword)))
  local is_new = redis.call('HSET', descriptions, name, description) == 1
  local has_kind = redis.call('GET', kind) == its_kind
  if not has_kind then redis.call('SET', kind, its_kind) end
  -- Makes monitors read its type, and that it is served.
  if is_new or not has_kind then redis.call('PUBLISH', channel, its_kind) end
  local is_there = redis.call('EXISTS', value) == 1
  local set_at = time_of(redis.call('HGET', times, name))
  local is_older = not is_there or set_at < tonumber(at)
  if rule == 'put' or (rule == 'put again' and is_older) then
    put(keyword, text, at, rule == 'put')
  elseif rule == 'clear' or not is_there then
    turn(keyword, moment(keyword, 0), 'init', redis.call('GET', failure), '')
  elseif rule == 'drop' then
    turn(keyword, moment(keyword, 0), 'error', text, '')
  elseif rule == 'keep' then
    local state = redis.call('GET', status)
    if state ~= 'ready' and state ~= 'error' and state ~= 'init' then
      turn(keyword, moment(keyword, 0), 'ready')
    end
  end
  -- A later change means that the write has ended, which its dispatcher did not know.
  local is_written = begun ~= '0' and changed <= tonumber(begun)
  if is_written and redis.call('GET', status) ~= 'modify' then
    turn(keyword, moment(keyword, 0), 'modify', redis.call('GET', failure), false, ARGV[2])
  end
  local is_newer = (rule == 'put again' or rule == 'leave') and is_there and set_at > tonumber(at)
  reply[#reply + 1] = redis.call('HGET', times, name) or '0'
  reply[#reply + 1] = is_newer and redis.call('GET', value)
  reply[#reply + 1] = is_newer and redis.call('HGET', times, before_field(keyword))
end
return reply
