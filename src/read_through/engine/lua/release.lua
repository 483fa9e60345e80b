-- Gives up the right to store a value.
-- KEYS: see entry.lua.
-- ARGV: after the three of entry.lua: the generation; the loader's error, or empty; for how many
-- milliseconds the error is remembered.
-- Reply: 1, or 0 if the generation has changed.
local outcome, errors = ARGV[5], tonumber(ARGV[6])
local _, generation, note = known()
if generation ~= ARGV[4] then return 0 end
forget()
if outcome ~= '' and (errors > 0 or note ~= '') then keep_outcome(outcome, errors) end
return 1
