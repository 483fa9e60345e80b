-- Unregisters a consumer, unless its list still has items.
-- KEYS: consumers, held, the list of the consumer. ARGV: its id.
-- Reply: 1, or 0 if the list has items.
local consumers, held, claimed, id = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
if redis.call('EXISTS', claimed) == 1 then return 0 end
redis.call('ZREM', consumers, id)
redis.call('HDEL', held, id)
return 1
