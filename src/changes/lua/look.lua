-- Defines look(command): notes what a command will change.
local NEW_OR_OLD, NEW = {[0] = 'I', [1] = 'U'}, {[0] = 'I'}
local REMOVED, GONE = {[1] = 'R'}, {[0] = 'R'}
-- Of sets with more members subscribers learn that they have missed their changes.
local MOST_COMPARED = 1000

local function ask(...) return server.call(...) == 1 end

-- Every `step`th argument from `first` on.
local function items_of(a, first, step)
  local items, last = {}, 0
  for i = first, #a, step do
    last = last + 1
    items[last] = a[i]
  end
  return items
end

-- Returns 1 or 0 for each item.
local function are_in(items, all)
  local there, is_in = {}, {}
  for i = 1, #all do is_in[all[i]] = 1 end
  for i = 1, #items do there[i] = is_in[items[i]] or 0 end
  return there
end

-- Each of these asks about many items with few calls, and returns 1 or 0 for each. Values are not
-- asked for, since they may be large.

-- `count` of the keys exist. If not all or none do, halves are asked about.
local function keys_there(keys, there, first, last, count)
  if count == 0 or count == last - first + 1 then
    for i = first, last do there[i] = math.min(count, 1) end
    return
  end
  local middle = math.floor((first + last) / 2)
  local left = server.call('EXISTS', unpack(keys, first, middle))
  keys_there(keys, there, first, middle, left)
  keys_there(keys, there, middle + 1, last, count - left)
end

local function are_keys(keys)
  local there = {}
  for first = 1, #keys, MANY do
    local last = math.min(first + MANY - 1, #keys)
    keys_there(keys, there, first, last, server.call('EXISTS', unpack(keys, first, last)))
  end
  return there
end

local function are_fields(key, fields)
  local there, length = {}, #fields > 2 and server.call('HLEN', key)
  if length and length <= 2 * #fields then
    return are_in(fields, length > 0 and server.call('HKEYS', key) or {})
  end
  for i = 1, #fields do there[i] = server.call('HEXISTS', key, fields[i]) end
  return there
end

local function are_members(key, members)
  if #members <= MANY then return server.call('SMISMEMBER', key, unpack(members)) end
  local there = {}
  for first = 1, #members, MANY do
    local last = math.min(first + MANY - 1, #members)
    local part = server.call('SMISMEMBER', key, unpack(members, first, last))
    for i = 1, #part do there[first + i - 1] = part[i] end
  end
  return there
end

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
  if sub(command, -5) ~= 'FLOAT' then return find(value, '^-?%d+$') end
  return tonumber(value) and not find(value, '%s')
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
    local keys = items_of(a, 2, 2)
    note_keys(keys, are_keys(keys), NEW_OR_OLD)
  elseif command == 'UNLINK' then
    local keys = items_of(a, 2, 1)
    note_keys(keys, are_keys(keys), REMOVED)
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
    local fields = items_of(a, 3, 2)
    note_items(key, fields, are_fields(key, fields), NEW_OR_OLD)
  elseif command == 'HSETNX' then
    if not ask('HEXISTS', key, a[3]) then note(key, 'I', a[3]) end
  elseif command == 'HINCRBY' or command == 'HINCRBYFLOAT' then
    local value = server.call('HGET', key, a[3])
    if is_number(value, command) then note(key, value and 'U' or 'I', a[3]) end
  elseif command == 'HDEL' then
    local fields = items_of(a, 3, 1)
    note_items(key, fields, are_fields(key, fields), REMOVED)
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
  if command == 'SADD' or command == 'SREM' then
    local members = items_of(a, 3, 1)
    local there = are_members(key, members)
    note_items(key, members, there, command == 'SADD' and NEW or REMOVED)
  elseif command == 'SPOP' then
    chosen = server.call('SRANDMEMBER', key, taken(a[3], server.call('SCARD', key)))
    note_items(key, chosen, are_in(chosen, {}), GONE)
  elseif command == 'SMOVE' then
    local is_new = not ask('SISMEMBER', a[3], a[4])
    if ask('SISMEMBER', key, a[4]) and key ~= a[3] then
      note(key, 'R', a[4])
      if is_new then note(a[3], 'I', a[4]) end
    end
  else
    local is_set = server.call('TYPE', key).ok == 'set'
    local members = is_set and server.call('SCARD', key) or 0
    for i = 3, #a do members = members + server.call('SCARD', a[i]) end
    if members > MOST_COMPARED then return note(key, 'M') end
    local old = is_set and server.call('SMEMBERS', key) or {}
    local new = server.call(sub(command, 1, -6), unpack(a, 3))
    note_items(key, new, are_in(new, old), NEW)
    note_items(key, old, are_in(old, new), GONE)
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
