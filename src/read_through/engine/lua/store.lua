-- Stores the result of a load, unless the right to do so is gone or the value changed meanwhile.
-- KEYS: see entry.lua.
-- ARGV: after the three of entry.lua: the generation; the value at the claim (`any`, `none`, or
-- `<end>:<digest>`); time to live in milliseconds, or 0; for how many milliseconds absence is
-- remembered; the value, left out if there is none at its source.
-- Reply: 1, 0 if the load may not store, or an error.
local before, time, absent_for, value = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local _, generation, note = known()
if generation ~= ARGV[4] then return 0 end
-- Programs that know nothing of loads write and delete too. The value at the claim may be gone only
-- because it expired.
local there = read()
local ends, known_by = string.match(before, '^(.*):(.*)$')
local is_as_before = not known_by or tonumber(ends) >= 0 and now >= tonumber(ends)
if there then is_as_before = digest(there) == known_by end
if not is_as_before then
  forget()
  return 0
end
if value then
  -- The server checks its memory only before the first write of a script.
  local problem = write(value, time)
  forget()
  if problem then return problem end
else
  forget()
  remove()
  if absent_for > 0 then
    remember(absent_for, '', '')
  elseif note ~= '' then
    keep_outcome('absent', 0)
  end
end
return 1
