-- Claims the right to load a value, or returns why there is nothing to load.
-- KEYS: see entry.lua.
-- ARGV: after the three of entry.lua: miss, replace or force; the caller's generation; the lease in
-- milliseconds; the time on the server's clock since which the caller has waited, or 0; for how
-- many milliseconds the caller accepts remembered errors.
-- Reply: {found | absent, value, left}, {busy, value, left, now}, {failed, false, left, error, age}
-- or {claimed, value, left, generation, before}, where `before` is for store.lua.
local mode, generation, lease = ARGV[4], ARGV[5], tonumber(ARGV[6])
local since, errors = tonumber(ARGV[7]), tonumber(ARGV[8])
-- First: a server without expiry of fields fails before anything is loaded.
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
  -- The caller's own generation is that of a claim whose reply was lost.
  if is_live and not is_absent and current ~= generation then
    if note == '' then
      -- If there is no memory for the note, the caller may have to load after all.
      redis.pcall('HSET', KEYS[2], field, redis.call('HGET', KEYS[2], field) .. ':')
    end
    return {'busy', value, remains, now}
  end
  if current and not is_absent then generation = current end
end
if age and age >= math.max(kept_for_waiters, errors) then note = ':' end
remember(lease, generation, note)
local before = 'none'
if value then
  before = string.format('%.0f:%s', remains < 0 and -1 or now + remains, digest(value))
end
return {'claimed', value, remains, generation, before}
