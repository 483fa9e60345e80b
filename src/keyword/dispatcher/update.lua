local has_value, text = ARGV[5] == '1', ARGV[6]
local times, name, outcome = KEYS[4], ARGV[3], KEYS[5]
local of_request = name .. ':request'
-- Perhaps this was sent before, and the client has read and removed the outcome.
local at, of = string.match(redis.call('HGET', times, of_request) or '', '^(%d+) (.*)$')
if ARGV[7] ~= '0' and of == outcome then return at end
if is_over(outcome, ARGV[7], ARGV[9]) then return 0 end
at = put(times, name, ARGV[4], KEYS[1], KEYS[2], KEYS[3], has_value and text,
  ARGV[8])
answer(outcome, '+' .. at .. ' ' .. text, ARGV[7])
if ARGV[7] ~= '0' then redis.call('HSET', times, of_request, at .. ' ' .. outcome) end
return at
