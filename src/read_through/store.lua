local ends, time, absent_for, value = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local _, generation = known()
if generation ~= ARGV[4] then return 0 end
-- Programs that know nothing of loads write and delete too. What was there when the load began may
-- have gone only because its time was up.
local there = is_there()
local was_there = ends ~= '0'
local is_over = was_there and tonumber(ends) and tonumber(ends) >= 0 and now >= tonumber(ends)
if ends ~= 'any' and there ~= was_there and not is_over then
  forget()
  return 0
end
if value then
  -- The server looks whether it has the memory only before the first write of a script.
  local written, problem = pcall(write, value, time)
  forget()
  if not written then return type(problem) == 'table' and problem or {err = problem} end
else
  forget()
  if there then remove() end
  if absent_for > 0 then remember(absent_for, '') end
end
return 1
