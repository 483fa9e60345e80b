-- Runs the most frequent writes, SET and HSET of one field published in the format Own alone,
-- without defining what all others need. Goes on to prelude.lua for anything else.
-- KEYS: the key, the hash of sequences. ARGV: as in prelude.lua.
-- Reply: that of the command.
local last = #ARGV
local function quick(command, kind, arguments)
  return ARGV[1] == command and ARGV[last - 2] == kind and last == arguments + 7 and #KEYS == 2
    and ARGV[last - 1] == '1' and ARGV[last - 4] == '1' and ARGV[last - 5] == '0'
    and ARGV[last - 6] == '0'
end
local is_set, is_hset = quick('SET', 'dict', 2), quick('HSET', 'hash', 3)
if is_set or is_hset then
  local key, name = KEYS[1], ARGV[last - 3]
  local bytes, there
  if is_set then
    bytes, there = string.sub(key, #name + 1), redis.pcall('EXISTS', key)
  else
    bytes, there = ARGV[2], redis.pcall('HEXISTS', key, ARGV[2])
  end
  if type(there) == 'table' then return there end
  local channel = name .. '~rc:changes:' .. ARGV[last - 2]
  local sequence = redis.pcall('HINCRBY', KEYS[2], channel, 1)
  if type(sequence) == 'table' then return sequence end
  local change = (there == 1 and 'U' or 'I') .. #bytes .. ':' .. bytes
  local message = ARGV[last] .. string.format('%.0f ', sequence) .. change
  local published = redis.pcall('PUBLISH', channel, message)
  if type(published) == 'table' then
    redis.call('HINCRBY', KEYS[2], channel, -1)
    return published
  end
  if is_set then return redis.pcall('SET', key, ARGV[2]) end
  return redis.pcall('HSET', key, ARGV[2], ARGV[3])
end
