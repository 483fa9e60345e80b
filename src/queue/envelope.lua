local header = '\030q1;'

-- How often it was delivered in vain, its id and its bytes.
local function parse(item)
  if string.sub(item, 1, #header) ~= header then return 0, '', item end
  local attempts, id, start = string.match(item, '^(%d+);([^;]*);()', #header + 1)
  if not attempts or tonumber(attempts) > 4294967295 then return 0, '', item end
  return tonumber(attempts), id, string.sub(item, start)
end

local function wrap(attempts, id, payload)
  return header .. string.format('%.0f', attempts) .. ';' .. id .. ';' .. payload
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
