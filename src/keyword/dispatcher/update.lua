local has_value, text = ARGV[5] == '1', ARGV[6]
if is_over(KEYS[5], ARGV[7], ARGV[9]) then
  -- Perhaps this was sent before.
  local at, made = string.match(redis.call('LINDEX', KEYS[5], 0) or '', '^%+(%d+) (.*)$')
  return made == text and at or 0
end
local at = put(KEYS[4], ARGV[3], ARGV[4], KEYS[1], KEYS[2], KEYS[3], has_value and text,
  ARGV[8])
answer(KEYS[5], '+' .. at .. ' ' .. text, ARGV[7])
return at
