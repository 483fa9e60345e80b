-- Why a field cannot be set to expire, if so. What has no effect fails where that would, such as on
-- a server without times to live of fields, or with a time beyond its calendar. The server looks
-- whether it has the memory only at the first write of a script.
local function obstacle(field, time)
  local absent = field
  repeat
    absent = absent .. '~'
    local left = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, absent)
    if left.err then return left end
  until (left[1] or -2) == -2
  local room = redis.pcall('SETRANGE', KEYS[1], 0, '')
  if type(room) == 'table' and string.find(room.err, 'OOM', 1, true) then return room end
  local proof = redis.pcall('HPEXPIRE', KEYS[1], time, 'FIELDS', 1, absent)
  if proof.err then return proof end
end
