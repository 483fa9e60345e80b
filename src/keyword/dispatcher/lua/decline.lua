-- Refuses a value where nothing else can be written, for example where a key has a wrong type.
-- Follows answer.lua.
-- KEYS: outcome.
-- ARGV: reason, milliseconds to keep the outcome.
-- Reply: 1.
answer(KEYS[1], '-' .. ARGV[1], ARGV[2])
return 1
