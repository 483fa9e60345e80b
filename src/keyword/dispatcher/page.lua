-- Describes keywords, and gives them what they begin with. Says when they got their values, and what they
-- are where they are newer than those that are known.
local first = #KEYS - 3
local registry, descriptions, times = KEYS[first], KEYS[first + 1], KEYS[first + 2]
redis.call('PEXPIRE', lease, ARGV[2])
redis.call('SADD', registry, ARGV[3])
local reply = {}
for i = 0, (first - 1) / 4 - 1 do
  local value, status, failure, kind = unpack(KEYS, 4 * i + 1, 4 * i + 4)
  local name, description, its_kind, channel, rule, text, at = unpack(ARGV, 7 * i + 4, 7 * i + 10)
  redis.call('HSET', descriptions, name, description)
  if redis.call('GET', kind) ~= its_kind then
    redis.call('SET', kind, its_kind)
    redis.call('PUBLISH', channel, its_kind)
  end
  local is_there = redis.call('EXISTS', value) == 1
  local set_at = tonumber(redis.call('HGET', times, name) or '') or 0
  local is_older = not is_there or set_at < tonumber(at)
  if rule == 'put' or (rule == 'put again' and is_older) then
    put(times, name, channel, value, status, failure, text, at)
  elseif rule == 'clear' or not is_there then
    redis.call('SET', value, '')
    redis.call('SET', status, 'init')
  elseif rule == 'drop' then
    redis.call('SET', value, '')
    redis.call('SET', failure, text)
    redis.call('SET', status, 'error')
  elseif rule == 'keep' then
    local state = redis.call('GET', status)
    if state ~= 'ready' and state ~= 'error' and state ~= 'init' then
      redis.call('SET', status, 'ready')
    end
  end
  local is_newer = (rule == 'put again' or rule == 'leave') and is_there and set_at > tonumber(at)
  reply[#reply + 1] = redis.call('HGET', times, name) or '0'
  reply[#reply + 1] = is_newer and redis.call('GET', value)
end
return reply
