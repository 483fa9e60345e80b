-- Removes a value, and with it the right of any load to store one.
-- KEYS, ARGV: see entry.lua.
-- Reply: 1, or 0 if there was no value.
forget()
return remove()
