-- Defines run(command): looks up what a write will change, publishes that, and then writes. A
-- refused PUBLISH leaves no write behind, since the server does not roll back.
-- KEYS: the keys of the write, then the hash of sequences of each publishing collection.
-- ARGV: the arguments of the write, then for each collection its ids of PyDict, their number, 1 or
-- 0 for PubSubDict, 1 or 0 for Own, its name and its structure; then the number of collections and
-- what messages begin with. Both tables are read from the end, so that those of the write remain.
-- Reply: none; see command.lua and within.lua.
local server = redis
local function setting() return table.remove(ARGV) end
local head, collections = setting(), {}
for i = 1, tonumber(setting()) do
  local collection = {ids = {}, sequences = table.remove(KEYS)}
  collection.kind = setting()
  collection.name = setting()
  collection.own = setting() == '1'
  collection.pubsub_dict = setting() == '1'
  for j = 1, tonumber(setting()) do collection.ids[j] = setting() end
  collection.channel = collection.name .. '~rc:changes:' .. collection.kind
  collections[i] = collection
end
local noted, chosen

local function is_error(reply) return type(reply) == 'table' and reply.err end

-- Depending on the server's version, pcall catches a string or a table.
local function caught(failure) return type(failure) == 'table' and failure or {err = failure} end

-- Before Redis 7 only strings can be raised.
local function fail(reply) error(server.REDIS_VERSION and {err = reply.err} or reply.err, 0) end

-- Without bytes the key is changed as a whole.
local function note(key, kind, bytes)
  for _, collection in ipairs(collections) do
    local name = collection.name
    local dict = collection.kind == 'dict'
    if key == name or dict and string.sub(key, 1, #name) == name
      and not string.find(key, '~rc:', math.max(1, #name - 2), true) then
      if dict then bytes = string.sub(key, #name + 1)
      elseif not bytes then kind, bytes = kind == 'R' and 'C' or kind, '' end
      local changes = noted[collection] or {seen = {}}
      noted[collection] = changes
      if changes.seen[bytes] ~= kind then
        changes.seen[bytes] = kind
        changes[#changes + 1] = {kind = kind, bytes = bytes}
      end
      return
    end
  end
end

-- Tables of commands would be created anew with each run.
local function is_one_of(command, commands)
  return string.find(' ' .. commands .. ' ', ' ' .. command .. ' ', 1, true)
end

local function ask(...) return server.call(...) == 1 end

local function count(number) return string.format('%.0f', number) end

-- A number that the server refuses as out of range takes nothing.
local function taken(wanted, there)
  wanted = tonumber(wanted or 1)
  return wanted > 2 ^ 63 and 0 or math.min(wanted, there)
end

local function is_past(time)
  local now = server.call('TIME')
  return tonumber(time) <= now[1] * 1000 + math.floor(now[2] / 1000)
end

-- Whether the server can add to a value. The overflow of a sum shows only when it is tried.
local function is_number(value, command)
  if not value then return true end
  if string.sub(command, -5) ~= 'FLOAT' then return string.find(value, '^-?%d+$') end
  return tonumber(value) and not string.find(value, '%s')
end

local function look_at_key(command, a)
  local key = a[2]
  if command == 'SET' then
    local only_new, only_old, get
    for i = 4, #a do
      only_new, only_old = only_new or a[i] == 'NX', only_old or a[i] == 'XX'
      get = get or a[i] == 'GET'
    end
    if get then server.call('STRLEN', key) end
    local there = ask('EXISTS', key)
    if not (there and only_new or only_old and not there) then note(key, there and 'U' or 'I') end
  elseif command == 'MSET' then
    for i = 2, #a, 2 do note(a[i], ask('EXISTS', a[i]) and 'U' or 'I') end
  elseif command == 'UNLINK' then
    for i = 2, #a do
      if ask('EXISTS', a[i]) then note(a[i], 'R') end
    end
  elseif command == 'INCRBY' or command == 'INCRBYFLOAT' then
    local value = server.call('GET', key)
    if is_number(value, command) then note(key, value and 'U' or 'I') end
  elseif command == 'GETDEL' or command == 'GETEX' then
    server.call('STRLEN', key)
    if ask('EXISTS', key) then note(key, command == 'GETDEL' and 'R' or 'T') end
  elseif command == 'PEXPIRE' then
    if ask('EXISTS', key) then note(key, 'T') end
  elseif command == 'PEXPIREAT' then
    if ask('EXISTS', key) then note(key, is_past(a[3]) and 'R' or 'T') end
  elseif command == 'PERSIST' then
    if server.call('PTTL', key) >= 0 then note(key, 'T') end
  else
    return false
  end
  return true
end

local function look_at_hash(command, a)
  local key, field = a[2], a[#a]
  if command == 'HSET' then
    for i = 3, #a, 2 do note(key, ask('HEXISTS', key, a[i]) and 'U' or 'I', a[i]) end
  elseif command == 'HSETNX' then
    if not ask('HEXISTS', key, a[3]) then note(key, 'I', a[3]) end
  elseif command == 'HINCRBY' or command == 'HINCRBYFLOAT' then
    local value = server.call('HGET', key, a[3])
    if is_number(value, command) then note(key, value and 'U' or 'I', a[3]) end
  elseif command == 'HDEL' then
    for i = 3, #a do
      if ask('HEXISTS', key, a[i]) then note(key, 'R', a[i]) end
    end
  elseif command == 'HPEXPIRE' or command == 'HPEXPIREAT' then
    if server.call('HPTTL', key, 'FIELDS', 1, field)[1] >= -1 then
      note(key, command == 'HPEXPIREAT' and is_past(a[3]) and 'R' or 'T', field)
    end
  elseif command == 'HPERSIST' then
    if server.call('HPTTL', key, 'FIELDS', 1, field)[1] >= 0 then note(key, 'T', field) end
  else
    return false
  end
  return true
end

-- How many items of a list a LTRIM removes.
local function trimmed(length, first, last)
  if first < 0 then first = math.max(length + first, 0) end
  if last < 0 then last = length + last end
  return length - math.max(math.min(last, length - 1) - first + 1, 0)
end

local function look_at_list(command, a)
  local key = a[2]
  local length = server.call('LLEN', key)
  local removed = 0
  if command == 'RPUSH' or command == 'LPUSH' then
    note(key, 'I', count(#a - 2))
  elseif command == 'LPOP' or command == 'RPOP' then
    removed = taken(a[3], length)
  elseif command == 'LMOVE' then
    server.call('LLEN', a[3])
    if length > 0 then
      note(key, 'R', '1')
      note(a[3], 'I', '1')
    end
  elseif command == 'LSET' then
    local index = tonumber(a[3])
    if -length <= index and index < length then note(key, 'U', '1') end
  elseif command == 'LTRIM' then
    removed = trimmed(length, tonumber(a[3]), tonumber(a[4]))
  elseif command == 'LREM' then
    removed = #server.call('LPOS', key, a[4], 'COUNT', a[3])
  elseif command == 'LINSERT' then
    if server.call('LPOS', key, a[4]) then note(key, 'I', '1') end
  end
  if removed > 0 then note(key, 'R', count(removed)) end
end

local function look_at_set(command, a)
  local key = a[2]
  if command == 'SADD' then
    for i = 3, #a do
      if not ask('SISMEMBER', key, a[i]) then note(key, 'I', a[i]) end
    end
  elseif command == 'SREM' then
    for i = 3, #a do
      if ask('SISMEMBER', key, a[i]) then note(key, 'R', a[i]) end
    end
  elseif command == 'SPOP' then
    chosen = server.call('SRANDMEMBER', key, taken(a[3], server.call('SCARD', key)))
    for _, member in ipairs(chosen) do note(key, 'R', member) end
  elseif command == 'SMOVE' then
    local is_new = not ask('SISMEMBER', a[3], a[4])
    if ask('SISMEMBER', key, a[4]) and key ~= a[3] then
      note(key, 'R', a[4])
      if is_new then note(a[3], 'I', a[4]) end
    end
  else
    local members, stays = {}, {}
    if server.call('TYPE', key).ok == 'set' then members = server.call('SMEMBERS', key) end
    for _, member in ipairs(members) do stays[member] = 0 end
    for _, member in ipairs(server.call(string.sub(command, 1, -6), unpack(a, 3))) do
      if not stays[member] then note(key, 'I', member) end
      stays[member] = 1
    end
    for _, member in ipairs(members) do
      if stays[member] == 0 then note(key, 'R', member) end
    end
  end
end

local function look(a)
  local command = a[1]
  if look_at_key(command, a) or look_at_hash(command, a) then return end
  if is_one_of(command, 'RPUSH LPUSH LPOP RPOP LMOVE LSET LTRIM LREM LINSERT') then
    look_at_list(command, a)
  elseif is_one_of(command, 'SADD SREM SPOP SMOVE SUNIONSTORE SINTERSTORE SDIFFSTORE') then
    look_at_set(command, a)
  end
end

local function message(collection, changes)
  local sequence = server.call('HINCRBY', collection.sequences, collection.channel, 1)
  local text = head .. count(sequence) .. ' ' .. table.concat(changes)
  local reply = server.pcall('PUBLISH', collection.channel, text)
  if is_error(reply) then
    server.call('HINCRBY', collection.sequences, collection.channel, -1)
    fail(reply)
  end
end

local function publish_changes(collection, changes)
  for first = 1, collection.own and #changes or 0, 1000 do
    local texts = {}
    for i = first, math.min(first + 999, #changes) do
      local change = changes[i]
      texts[#texts + 1] = change.kind .. #change.bytes .. ':' .. change.bytes
    end
    message(collection, texts)
    collection.published = true
  end
  local name = collection.name
  for _, change in ipairs(changes) do
    if collection.pubsub_dict then
      local channel = name .. (change.kind == 'R' and 'delete' or 'update')
      server.call('PUBLISH', channel, change.bytes)
    end
    if change.kind == 'I' or change.kind == 'U' then
      for _, id in ipairs(collection.ids) do
        server.call('PUBLISH', 'event_' .. name .. change.bytes, id)
      end
    end
  end
end

-- The first write of a script is refused on a replica, without replicas or without memory, the
-- later ones are not. So the first is one that does nothing, refused as the command would be;
-- raising the sequence is refused like a command that takes memory.
local takes_no_memory = 'UNLINK GETDEL GETEX PEXPIRE PEXPIREAT PERSIST HDEL HPEXPIRE ' ..
  'HPEXPIREAT HPERSIST LPOP RPOP LTRIM LREM SPOP SREM'

local function is_wrong_type(reply) return string.find(reply.err, 'WRONGTYPE', 1, true) end

local function publish_all(command)
  if is_one_of(command, takes_no_memory) then
    server.call('PERSIST', collections[1].sequences)
  elseif not collections[1].own then
    local reply = server.pcall('SETRANGE', KEYS[1], 0, '')
    if is_error(reply) and not is_wrong_type(reply) then fail(reply) end
  end
  for _, collection in ipairs(collections) do
    collection.published = false
    if noted[collection] then publish_changes(collection, noted[collection]) end
  end
end

local function take_back()
  for _, collection in ipairs(collections) do
    if collection.published then message(collection, {'V0:'}) end
  end
end

-- The argument from which on a command may be split, since unpack takes some 8000.
local function first_item(command)
  if is_one_of(command, 'MSET UNLINK') then return 2 end
  if is_one_of(command, 'HSET HDEL RPUSH LPUSH SADD SREM') then return 3 end
end

local function execute(a)
  local command, start = a[1], #a > 2000 and first_item(a[1])
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
  for first = start, #a, 1000 do
    local part = {unpack(a, 1, start - 1)}
    for i = first, math.min(first + 999, #a) do part[#part + 1] = a[i] end
    local reply = server.pcall(unpack(part))
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
