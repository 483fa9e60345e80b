local before, time, absent_for, value = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local _, generation = known()
if generation ~= ARGV[4] then return 0 end
forget()
-- Programs that know nothing of loads write and delete too. What was there when the load began may
-- have gone only because its time was up.
if before ~= 'any' then
  local there = read()
  local ends, known_by = string.match(before, '^(.*):(.*)$')
  local is_as_before = not known_by or tonumber(ends) >= 0 and now >= tonumber(ends)
  if there then is_as_before = digest(there) == known_by end
  if not is_as_before then return 0 end
end
if value then
  write(value, time)
else
  remove()
  if absent_for > 0 then remember(absent_for, '') end
end
return 1
