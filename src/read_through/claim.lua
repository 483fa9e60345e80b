local mode, generation, lease = ARGV[4], ARGV[5], tonumber(ARGV[6])
-- Since when the caller has waited, or 0, and for how long it takes errors for those of now.
local since, errors = tonumber(ARGV[7]), tonumber(ARGV[8])
-- It comes first: a server that cannot let fields expire fails before anything is loaded.
local remains = left()
if type(remains) == 'table' then return remains end
local value = read()
local is_live, current, note = known()
local is_absent = current == ''
local age, outcome = noted(note)
if mode ~= 'force' then
  local waits = since > 0
  if mode == 'miss' and value then return {'found', value, remains} end
  if is_live and is_absent and not value and (mode == 'miss' or waits) then
    return {'absent', false, remains}
  end
  if outcome == 'absent' then
    if waits and not value and now - age >= since then return {'absent', false, remains} end
  elseif outcome and (waits and now - age >= since or age >= 0 and age < errors) then
    return {'failed', false, remains, outcome, age}
  end
  -- Our own generation is that of a claim whose reply was lost.
  if is_live and not is_absent and current ~= generation then
    if note == '' then
      -- Without memory for it the caller may have to load after all.
      redis.pcall('HSET', KEYS[2], field, redis.call('HGET', KEYS[2], field) .. ':')
    end
    return {'busy', value, remains, now}
  end
  if current and not is_absent then generation = current end
end
if age and age >= math.max(told, errors) then note = ':' end
remember(lease, generation, note)
local before = 'none'
if value then
  before = string.format('%.0f:%s', remains < 0 and -1 or now + remains, digest(value))
end
return {'claimed', value, remains, generation, before}
