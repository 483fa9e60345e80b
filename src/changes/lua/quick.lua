-- Runs the most frequent writes, SET without options and HSET of one field, published in the format
-- Own alone.
-- KEYS: the key, the hash of sequences. ARGV: the command and its other arguments; the channel, what
-- messages begin with, and the entry as messages have it after the kind of the change.
-- Reply: that of the command.
local key, sequences, is_set = KEYS[1], KEYS[2], ARGV[1] == 'SET'
local channel, head, entry = unpack(ARGV, #ARGV - 2)
local there = is_set and redis.pcall('EXISTS', key) or redis.pcall('HEXISTS', key, ARGV[2])
if type(there) == 'table' then return there end
local sequence = redis.pcall('HINCRBY', sequences, channel, 1)
if type(sequence) == 'table' then return sequence end
local change = (there == 1 and 'U' or 'I') .. entry
local published = redis.pcall('PUBLISH', channel, head .. string.format('%.0f ', sequence) .. change)
if type(published) == 'table' then
  redis.call('HINCRBY', sequences, channel, -1)
  return published
end
if is_set then return redis.pcall('SET', key, ARGV[2]) end
return redis.pcall('HSET', key, ARGV[2], ARGV[3])
