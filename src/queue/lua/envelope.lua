-- Defines how items are read and written, for the scripts that follow it.
-- KEYS, ARGV: none of its own. Reply: none.

local header = '\030q1;'

-- Returns the counted deliveries, the id, the payload and the mark of an item. Only a queue writes
-- headers, and none that counts deliveries without an id: other bytes are a payload as they are.
local function parse(item)
  if string.sub(item, 1, #header) ~= header then return 0, '', item, '' end
  local deliveries, mark, id, start = string.match(item, '^(%d+)([?!+]?);([^;]*);()', #header + 1)
  deliveries = tonumber(deliveries)
  if not deliveries or deliveries > 4294967295 then return 0, '', item, '' end
  if id == '' and (deliveries > 0 or mark ~= '') then return 0, '', item, '' end
  return deliveries, id, string.sub(item, start), mark
end

local function wrap(deliveries, id, payload, mark)
  deliveries = string.format('%.0f', math.min(deliveries, 4294967295))
  return header .. deliveries .. mark .. ';' .. id .. ';' .. payload
end

-- Marks: ? a consumer was lost while it held the job; ! the job has been begun again since; + the
-- job has been begun.
local begun = {[''] = '+', ['+'] = '+', ['?'] = '!', ['!'] = '!'}
local unbegun = {[''] = '', ['+'] = '', ['?'] = '?', ['!'] = '?'}

-- Returns the item after the loss of its consumer. The loss counts as a delivery if the job had
-- begun.
local function lose(deliveries, id, payload, mark)
  if mark == '+' or mark == '!' then deliveries = deliveries + 1 end
  return wrap(deliveries, id, payload, '?'), deliveries
end

local function new_id(clock, nonce, number)
  local microseconds = clock[1] * 1000000 + clock[2]
  return string.format('%.0f-%s-%d', microseconds, string.sub(nonce, 1, 12), number)
end

local function bury(dead, capacity, counts, now, item, reason)
  local length = string.format('%d', #reason)
  local head = '\030d1;' .. string.format('%.0f', now) .. ';' .. length .. ';'
  redis.call('RPUSH', dead, head .. reason .. item)
  redis.call('LTRIM', dead, -capacity, -1)
  redis.call('HINCRBY', counts, 'dead', 1)
end
