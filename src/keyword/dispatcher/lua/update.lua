-- Sets a value for the program or for a request, and answers the request. Follows holder.lua,
-- lease.lua, status.lua, put.lua, overwritten.lua, answer.lua and over.lua.
-- KEYS: value, status, failure, times, outcome, lease.
-- ARGV: holder, lease in milliseconds, keyword, its channel, 1 if it has a value, text,
-- milliseconds to keep the outcome, least time, when it is no longer awaited, 1 if this is the
-- outcome of a write, the time up to which values are known.
-- Reply: {time of the value, values before it}; {'0', ''} if the request is not awaited; nil if
-- another dispatcher holds the lease.
local has_value, text = ARGV[5] == '1', ARGV[6]
local keyword = {
  value = KEYS[1], status = KEYS[2], failure = KEYS[3], times = KEYS[4],
  name = ARGV[3], channel = ARGV[4],
}
local outcome, is_wanted = KEYS[5], ARGV[7] ~= '0'
local of_request = keyword.name .. ':request'
-- This may have been sent before, and the client may have read and removed the outcome.
local at, of = string.match(redis.call('HGET', keyword.times, of_request) or '', '^(%d+) (.*)$')
if is_wanted and of == outcome then
  return {at, redis.call('HGET', keyword.times, before_field(keyword)) or ''}
end
if is_over(outcome, ARGV[7], ARGV[9]) then return {'0', ''} end
local before = has_value and keep_before(keyword, ARGV[11], text) or ''
at = put(keyword, has_value and text, ARGV[8], ARGV[10] == '1')
answer(outcome, '+' .. at .. ' ' .. text, ARGV[7])
if is_wanted then redis.call('HSET', keyword.times, of_request, at .. ' ' .. outcome) end
return {at, before}
