-- Refuses a value where nothing else can be written, as where a key has a wrong type.
answer(KEYS[1], '-' .. ARGV[1], ARGV[2])
return 1
