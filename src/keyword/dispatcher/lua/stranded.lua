-- Returns whether the dispatcher `id` is the only one that received a request, although another one
-- may hold the lease: the request was made before that one began.
-- Expects no variables.
local function is_left_to(id, lease, time, ends)
  local holder = redis.call('GET', lease)
  if not holder or holder == id then return true end
  local last = string.gsub(lease, 'lease$', 'last')
  local since = tonumber(string.match(redis.call('GET', last) or '', ' (%d+)$'))
  return since and tonumber(ends) > 0 and ends - time * 1000 < since
end

