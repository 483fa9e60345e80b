-- Lets the script that follows publish: its redis.call and redis.pcall go through prelude.lua.
-- KEYS, ARGV, Reply: those of that script.
local redis = {sha1hex = redis.sha1hex, call = function(...)
  local reply = run({...})
  if is_error(reply) then fail(reply) end
  return reply
end, pcall = function(...) return run({...}) end}
