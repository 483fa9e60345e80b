-- Sets a value, and ends the right of any load to store one.
-- KEYS: see entry.lua.
-- ARGV: after the three of entry.lua: time to live in milliseconds, or 0; value.
-- Reply: 1, or an error.
--
-- The server checks its memory only before the first write of a script.
local problem = write(ARGV[5], ARGV[4])
forget()
return problem or 1
