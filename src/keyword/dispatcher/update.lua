local has_value, text = ARGV[5] == '1', ARGV[6]
local at = put(KEYS[4], ARGV[3], ARGV[4], KEYS[1], KEYS[2], KEYS[3], has_value and text,
  ARGV[8])
answer(KEYS[5], '+' .. at .. ' ' .. text, ARGV[7])
return at
