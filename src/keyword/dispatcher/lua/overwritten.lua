-- Keeps the values that a keyword has had since the time known to its dispatcher, which may not
-- know them: replies are lost or in flight. The field `NAME:before` holds them, each after its time
-- and its length.
-- Expects time_of() of status.lua.
local function before_field(keyword) return keyword.name .. ':before' end

-- Keeps the value that is about to be overwritten by `text`. Returns all that are kept.
local function keep_before(keyword, known, text)
  local field = before_field(keyword)
  local set, kept = unpack(redis.call('HMGET', keyword.times, keyword.name, field))
  set, kept, known = time_of(set), kept or '', tonumber(known)
  local value = set > known and redis.call('GET', keyword.value)
  if kept == '' and (not value or value == text) then return '' end
  local entries, size, start = {}, 0, 1
  while true do
    local _, head, at, length = string.find(kept, '^(%d+) (%d+) ', start)
    if not head then break end
    if time_of(at) > known then
      table.insert(entries, string.sub(kept, start, head + length))
      size = size + head + length + 1 - start
    end
    start = head + length + 1
  end
  if value and value ~= text then
    local entry = string.format('%.0f', set) .. ' ' .. #value .. ' ' .. value
    table.insert(entries, entry)
    size = size + #entry
  end
  while size > 1048576 do size = size - #table.remove(entries, 1) end
  local keeps = table.concat(entries)
  if keeps ~= kept then redis.call('HSET', keyword.times, field, keeps) end
  return keeps
end
