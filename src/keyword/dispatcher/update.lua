local has_value, text = ARGV[5] == '1', ARGV[6]
local keyword = {
  value = KEYS[1], status = KEYS[2], failure = KEYS[3], times = KEYS[4],
  name = ARGV[3], channel = ARGV[4],
}
if is_over(KEYS[5], ARGV[7], ARGV[9]) then
  -- Perhaps this was sent before.
  local at, made = string.match(redis.call('LINDEX', KEYS[5], 0) or '', '^%+(%d+) (.*)$')
  return made == text and at or 0
end
local at = put(keyword, has_value and text, ARGV[8], ARGV[10] == '1')
answer(KEYS[5], '+' .. at .. ' ' .. text, ARGV[7])
return at
