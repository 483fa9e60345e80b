-- Defines run(command): looks up what a write will change, publishes that, and then writes. A
-- refused PUBLISH leaves no write behind, since the server does not roll back.
local function message(collection, changes)
  local sequence = server.call('HINCRBY', collection.sequences, collection.channel, 1)
  local text = head .. count(sequence) .. ' ' .. changes
  local reply = server.pcall('PUBLISH', collection.channel, text)
  if is_error(reply) then
    server.call('HINCRBY', collection.sequences, collection.channel, -1)
    fail(reply)
  end
  collection.published = true
end

local function publish_own(collection, changes)
  for _, text in ipairs(changes.kind and texts or {}) do
    if text ~= '' then message(collection, changes.kind .. text) end
  end
  for first = 1, changes.last or 0, 2000 do
    message(collection, table.concat(changes, '', first, math.min(first + 1999, changes.last)))
  end
end

local function publish_to_python(collection, changes)
  local name = collection.name
  for i = 1, changes.last, 2 do
    local kind, bytes = sub(changes[i], 1, 1), changes[i + 1]
    if collection.pubsub_dict then
      server.call('PUBLISH', name .. (kind == 'R' and 'delete' or 'update'), bytes)
    end
    if kind == 'I' or kind == 'U' then
      for _, id in ipairs(collection.ids) do
        server.call('PUBLISH', 'event_' .. name .. bytes, id)
      end
    end
  end
end

-- The first write of a script is refused on a replica, without replicas or without memory, the
-- later ones are not. So the first is one that does nothing, refused as the command would be;
-- raising the sequence is refused like a command that takes memory.
local takes_no_memory = 'UNLINK GETDEL GETEX PEXPIRE PEXPIREAT PERSIST HDEL HPEXPIRE ' ..
  'HPEXPIREAT HPERSIST LPOP RPOP LTRIM LREM SPOP SREM'

local function publish_all(command)
  if is_one_of(command, takes_no_memory) then
    server.call('PERSIST', collections[1].sequences)
  elseif not collections[1].own then
    local reply = server.pcall('SETRANGE', KEYS[1], 0, '')
    if is_error(reply) and not is_wrong_type(reply) then fail(reply) end
  end
  for _, collection in ipairs(collections) do
    collection.published = false
    local changes = noted[collection]
    if changes and collection.own then publish_own(collection, changes) end
    if changes and (collection.pubsub_dict or #collection.ids > 0) then
      publish_to_python(collection, changes)
    end
  end
end

local function take_back()
  for _, collection in ipairs(collections) do
    if collection.published then message(collection, 'V0:') end
  end
end

-- The argument from which on a command may be split.
local function first_item(command)
  if is_one_of(command, 'MSET UNLINK') then return 2 end
  if is_one_of(command, 'HSET HDEL RPUSH LPUSH SADD SREM') then return 3 end
end

local function execute(a)
  local command, start = a[1], #a > MANY and first_item(a[1])
  if not start then
    local reply = server.pcall(unpack(a))
    -- A number in Lua has 53 bits.
    if type(reply) == 'number' and math.abs(reply) >= 2 ^ 53 then
      if command == 'INCRBY' then return server.call('GET', a[2]) end
      if command == 'HINCRBY' then return server.call('HGET', a[2], a[3]) end
    end
    return reply
  end
  local total
  for first = start, #a, MANY do
    local last, reply = math.min(first + MANY - 1, #a)
    if start == 2 then reply = server.pcall(command, unpack(a, first, last))
    else reply = server.pcall(command, a[2], unpack(a, first, last)) end
    if is_error(reply) then
      reply.halfway = first > start
      return reply
    end
    total = total and is_one_of(command, 'UNLINK HSET HDEL SADD SREM') and total + reply or reply
  end
  return total
end

local function pop(a)
  local removal, members = {'SREM', a[2]}, chosen
  for _, member in ipairs(members) do removal[#removal + 1] = member end
  local reply = execute(removal)
  return is_error(reply) and reply or a[3] and members or members[1]
end

local function run(a)
  noted, chosen = {}, nil
  local looked, failure = pcall(look, a)
  if not looked and not is_wrong_type(caught(failure)) then return caught(failure) end
  if not looked or not next(noted) then return execute(a) end
  local published, refusal = pcall(publish_all, a[1])
  if not published then
    take_back()
    return caught(refusal)
  end
  local reply = (chosen and pop or execute)(a)
  if is_error(reply) then take_back() end
  return reply
end
