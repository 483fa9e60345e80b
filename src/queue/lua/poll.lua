-- Settles jobs, renews the lease, claims more jobs and trims settled ones off the front of the
-- list.
-- KEYS: queue, list of the consumer, consumers, paused, delayed, dead, counts, entered, settings.
-- ARGV: consumer id; sequence number of its last poll, -1 before the first; least length its list
-- must have; sequence number of this poll; jobs done among those trimmed; items to trim; jobs
-- wanted; 1 to move due delayed jobs; max_deliveries; dead_capacity; then four for each job to
-- settle, see settle.lua.
-- Reply: status, milliseconds until the next delayed job is due (-1 if there is none, or without a
-- check), claimed items. Status 0: id unknown; 1: done; 2: queue paused; 3: the list or the
-- last poll is not the one that the consumer expects. Nothing was changed with 0 and 3.
-- Items are pushed before anything is trimmed: a script that fails is not rolled back.
local queue, claimed, consumers, paused, delayed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local id, last_sequence, held = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local done, trimmed = tonumber(ARGV[5]), tonumber(ARGV[6])
local wanted, checks_due = tonumber(ARGV[7]), ARGV[8] == '1'
if last_sequence >= 0 then
  -- The fraction of the time is the sequence number of the last poll.
  local score = redis.call('ZSCORE', consumers, id)
  if not score then return {0, -1} end
  if score % 1 * 2048 ~= last_sequence or redis.call('LLEN', claimed) < held then return {3, -1} end
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Fails on a key of another type before anything is changed.
local waiting = redis.call('LLEN', queue)
-- A server without memory refuses only the first write of a script, and never this one.
redis.call('ZREM', consumers, '')
-- Registers the consumer before it gets anything: jobs of an unregistered consumer are never taken
-- back. Should the script fail, the fraction is that of no poll in flight.
if last_sequence < 0 then
  redis.call('ZADD', consumers, 'NX', now + (ARGV[4] + 1) % 2048 / 2048, id)
end
if done > 0 then redis.call('HINCRBY', KEYS[7], 'done', done) end
if #ARGV > 10 then
  settle(clock, now)
  waiting = 1
end
local due = -1
if checks_due then
  local ripe = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 500)
  if #ripe > 0 then
    redis.call('RPUSH', queue, unpack(ripe))
    redis.call('ZREM', delayed, unpack(ripe))
    waiting = 1
  end
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if first[2] then due = math.max(0, tonumber(first[2]) - now) end
end
local reply = {1, due}
if wanted > 0 then
  if redis.call('EXISTS', paused) == 1 then
    reply[1] = 2
  elseif waiting > 0 then
    local items = redis.call('LRANGE', queue, 0, wanted - 1)
    if #items > 0 then
      redis.call('HINCRBY', KEYS[7], 'claimed', #items)
      redis.call('RPUSH', claimed, unpack(items))
      redis.call('LTRIM', queue, #items, -1)
      for i = 1, #items do reply[i + 2] = items[i] end
    end
  end
end
if checks_due then waits_since(queue, KEYS[7], KEYS[8], now) end
redis.call('ZADD', consumers, now + ARGV[4] / 2048, id)
if trimmed > 0 then redis.call('LTRIM', claimed, trimmed, -1) end
if #ARGV > 10 then redis.call('LREM', claimed, 0, '\030q1;-' .. id) end
return reply
