local redis = {call = function(...)
  local reply = run({...})
  if is_error(reply) then fail(reply) end
  return reply
end}
