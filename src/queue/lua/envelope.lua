local header = '\030q1;'

-- Parses an item: its failed deliveries, its id, its bytes and its mark. Only a queue counts
-- deliveries of an item without an id: other bytes that look like that are taken as they are.
local function parse(item)
  if string.sub(item, 1, #header) ~= header then return 0, '', item, '' end
  local attempts, mark, id, start = string.match(item, '^(%d+)([?!+]?);([^;]*);()', #header + 1)
  attempts = tonumber(attempts)
  if not attempts or attempts > 4294967295 then return 0, '', item, '' end
  if id == '' and (attempts > 0 or mark ~= '') then return 0, '', item, '' end
  return attempts, id, string.sub(item, start), mark
end

local function wrap(attempts, id, payload, mark)
  attempts = string.format('%.0f', math.min(attempts, 4294967295))
  return header .. attempts .. mark .. ';' .. id .. ';' .. payload
end

-- Marks: its consumer was lost with it once (?), it has been begun again since then (!), it has
-- been begun (+).
local begun = {[''] = '+', ['+'] = '+', ['?'] = '!', ['!'] = '!'}
local unbegun = {[''] = '', ['+'] = '', ['?'] = '?', ['!'] = '?'}

-- Returns the item after its consumer was lost. That counts as a delivery if it is known to have
-- begun.
local function lose(attempts, id, payload, mark)
  if mark == '+' or mark == '!' then attempts = attempts + 1 end
  return wrap(attempts, id, payload, '?'), attempts
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
