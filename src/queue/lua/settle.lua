  -- The body of settle(clock, now), which poll.lua calls. KEYS: those of poll.lua. Reply: none.
  -- ARGV: those of poll.lua; from the 11th on four for each job: its index in the list, its fate
  -- (done, retry, bury, back, unseen, lost or begun), a delay in milliseconds and a reason. A job
  -- that is released is `unseen`; one that is given back is `back`.
  local queue, claimed, delayed, dead, counts = KEYS[1], KEYS[2], KEYS[5], KEYS[6], KEYS[7]
  local stored = redis.call('HMGET', KEYS[9], 'max_deliveries', 'dead_capacity')
  local most, capacity = tonumber(stored[1] or ARGV[9]), tonumber(stored[2] or ARGV[10])
  local tombstone = header .. '-' .. ARGV[1]
  redis.call('LLEN', dead)
  redis.call('ZCARD', delayed)
  local function settle_one(i)
    local index, fate, delay, reason = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
    local item = redis.call('LINDEX', claimed, index)
    if not item or item == tombstone then return end
    local deliveries, id, payload, mark = parse(item)
    if id == '' then id = new_id(clock, ARGV[1], i) end
    if fate == 'begun' then
      return redis.call('LSET', claimed, index, wrap(deliveries, id, payload, begun[mark]))
    end
    local again = wrap(deliveries + 1, id, payload, unbegun[mark])
    if fate == 'done' then
      redis.call('HINCRBY', counts, 'done', 1)
    elseif fate == 'unseen' then
      redis.call('HINCRBY', counts, 'claimed', -1)
      if mark ~= unbegun[mark] then item = wrap(deliveries, id, payload, unbegun[mark]) end
      redis.call('LPUSH', queue, item)
    elseif fate == 'bury' then
      bury(dead, capacity, counts, now, again, reason)
    elseif fate == 'retry' and deliveries + 1 < most then
      redis.call('HINCRBY', counts, 'retried', 1)
      if delay > 0 then
        redis.call('ZADD', delayed, now + delay, again)
      else
        redis.call('RPUSH', queue, again)
      end
    else
      local delivered = deliveries + 1
      if fate == 'lost' then again, delivered = lose(deliveries, id, payload, mark) end
      if delivered >= most and delivered > deliveries then
        bury(dead, capacity, counts, now, again, reason)
      else
        redis.call('HINCRBY', counts, 'redelivered', 1)
        redis.call('HINCRBY', counts, 'claimed', -1)
        redis.call('LPUSH', queue, again)
      end
    end
    redis.call('LSET', claimed, index, tombstone)
  end
  local function goes_back(fate) return fate == 'back' or fate == 'unseen' or fate == 'lost' end
  for i = 11, #ARGV, 4 do
    if not goes_back(ARGV[i + 1]) then settle_one(i) end
  end
  -- From the last to the first, so that they keep their order at the head of the queue.
  for i = #ARGV - 3, 11, -4 do
    if goes_back(ARGV[i + 1]) then settle_one(i) end
  end
