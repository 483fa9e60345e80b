local outcome, errors = ARGV[5], tonumber(ARGV[6])
local _, generation, note = known()
if generation ~= ARGV[4] then return 0 end
forget()
if outcome ~= '' and (errors > 0 or note ~= '') then leave(outcome, errors) end
return 1
