-- Lists the consumers, and for how long they have held their jobs.
-- KEYS: consumers, held, settings. ARGV: the lease in milliseconds that applies if none is stored.
-- Reply: for each consumer its id, 1 if its lease has not expired, else 0, and the milliseconds
-- since its last heartbeat, since its longest-running job began, and since it has held its oldest
-- job that has not begun; -1 for none.
local consumers, held = KEYS[1], KEYS[2]
local lease = tonumber(redis.call('HGET', KEYS[3], 'lease') or ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known, reply = redis.call('ZRANGE', consumers, 0, -1, 'WITHSCORES'), {}
local function age(since) return since and math.max(0, now - since) or -1 end
for i = 1, #known, 2 do
  local id, heartbeat = known[i], math.floor(tonumber(known[i + 1]))
  local runs, idles = string.match(redis.call('HGET', held, id) or '', '^(%d*);?(%d*)$')
  local alive = heartbeat > now - lease and 1 or 0
  reply[#reply + 1] = {id, alive, age(heartbeat), age(tonumber(runs)), age(tonumber(idles))}
end
return reply
