-- Begins each script that publishes: what it is told, and how changes are noted.
-- KEYS: the keys of the write, then the hash of sequences of each publishing collection.
-- ARGV: the arguments of the write, then for each collection its ids of PyDict, their number, 1 or
-- 0 for PubSubDict, 1 or 0 for Own, its name and its structure; then the number of collections,
-- what messages begin with, texts, and their number. A text has a thousand of the items of a
-- command as messages have them after their kind; all are empty if the client did not write them.
-- Both tables are read from the end, so that those of the write remain.
-- Reply: none; look.lua, run.lua, and command.lua or within.lua follow.
local server = redis
local function setting() return table.remove(ARGV) end
local texts, collections = {}, {}
for i = tonumber(setting()), 1, -1 do texts[i] = setting() end
local head = setting()
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
local find, sub = string.find, string.sub
local MARK = '~rc:'
-- Arguments of one command: fewer than the some 8000 that unpack takes, and of entries only whole.
local MANY = 4000
local noted, chosen

local function is_error(reply) return type(reply) == 'table' and reply.err end

-- Depending on the server's version, pcall catches a string or a table.
local function caught(failure) return type(failure) == 'table' and failure or {err = failure} end

-- Before Redis 7 only strings can be raised.
local function fail(reply) error(server.REDIS_VERSION and {err = reply.err} or reply.err, 0) end

-- Tables of commands would be created anew with each run.
local function is_one_of(command, commands)
  return find(' ' .. commands .. ' ', ' ' .. command .. ' ', 1, true)
end

local function count(number) return string.format('%.0f', number) end

local function is_wrong_type(reply) return find(reply.err, 'WRONGTYPE', 1, true) end

-- The collection that publishes changes of a key, if one does.
local function owner(key)
  for i = 1, #collections do
    local collection = collections[i]
    local name = collection.name
    if key == name or collection.kind == 'dict' and sub(key, 1, #name) == name
      and not find(key, MARK, math.max(1, #name - 2), true) then
      return collection
    end
  end
end

-- Notes changes of items: the fields or members of a collection, or its keys, whose first `skipped`
-- bytes are not published. What `there` has for an item is the index of its kind in `kinds`. Noted
-- are a heading and bytes of each, so that those of a message are joined at once.
local function note_all(collection, items, skipped, there, kinds)
  local changes, headings = noted[collection] or {last = 0, seen = {}}, {}
  local seen, last = changes.seen, changes.last
  for _, kind in pairs(kinds) do headings[kind] = {} end
  for i = 1, #items do
    local kind, bytes = kinds[there[i]], items[i]
    if skipped > 0 then bytes = sub(bytes, skipped + 1) end
    if kind and seen[bytes] ~= kind then
      seen[bytes] = kind
      local heading = headings[kind][#bytes]
      if not heading then
        heading = kind .. #bytes .. ':'
        headings[kind][#bytes] = heading
      end
      changes[last + 1], changes[last + 2] = heading, bytes
      last = last + 2
    end
  end
  changes.last = last
  if last > 0 then noted[collection] = changes end
end

-- Without bytes the key is changed as a whole.
local function note(key, kind, bytes)
  local collection = owner(key)
  if not collection then return end
  if collection.kind == 'dict' then bytes = sub(key, #collection.name + 1)
  elseif not bytes then kind, bytes = kind == 'R' and 'C' or kind, '' end
  note_all(collection, {bytes}, 0, {1}, {kind})
end

-- Notes all items of a command as one, if the client has written them and all change alike.
local function note_alike(collection, there, kinds)
  if not texts[1] or texts[1] == '' then return false end
  for i = 2, #there do
    if there[i] ~= there[1] then return false end
  end
  local kind = kinds[there[1]]
  if kind then noted[collection] = {kind = kind} end
  return true
end

local function note_items(key, items, there, kinds)
  local collection = owner(key)
  if not collection or note_alike(collection, there, kinds) then return end
  note_all(collection, items, 0, there, kinds)
end

-- What writes to a single dict has no keys without the mark but its entries.
local function note_keys(keys, there, kinds)
  local dict = #collections == 1 and collections[1].kind == 'dict' and collections[1]
  if dict and note_alike(dict, there, kinds) then return end
  if dict and not find(table.concat(keys, ' '), MARK, 1, true) then
    return note_all(dict, keys, #dict.name, there, kinds)
  end
  for i = 1, #keys do
    local kind = kinds[there[i]]
    if kind then note(keys[i], kind) end
  end
end
