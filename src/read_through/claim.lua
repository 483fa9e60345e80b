local mode, generation, lease = ARGV[4], ARGV[5], tonumber(ARGV[6])
-- It comes first: a server that cannot let fields expire fails before anything is loaded.
local remains = left()
local value = read()
local is_live, current = known()
local is_absent = current == ''
if mode ~= 'force' then
  if mode == 'miss' and value then return {'found', value, remains} end
  if mode == 'miss' and is_live and is_absent then return {'absent', false, remains} end
  -- Our own generation is that of a claim whose reply was lost.
  if is_live and not is_absent and current ~= generation then return {'busy', value, remains} end
  if current and not is_absent then generation = current end
end
remember(lease, generation)
local before = 'none'
if mode == 'force' then
  before = 'any'
elseif value then
  before = string.format('%.0f:%s', remains < 0 and -1 or now + remains, digest(value))
end
return {'claimed', value, remains, generation, before}
