-- Counts the items of several lists.
-- KEYS: the lists. ARGV: none.
-- Reply: the sum of their lengths.
local number = 0
for i = 1, #KEYS do number = number + redis.call('LLEN', KEYS[i]) end
return number
