-- Runs one command after prelude.lua.
-- KEYS: its keys. ARGV: its name, then its other arguments; of MSET the values.
-- Reply: that of the command.
local command, keys = ARGV, KEYS
if command[1] == 'MSET' then
  command = {'MSET'}
  for i = 1, #keys do command[2 * i], command[2 * i + 1] = keys[i], ARGV[i + 1] end
else
  for i = 1, #keys do table.insert(command, i + 1, keys[i]) end
end
local reply = run(command)
if is_error(reply) and reply.halfway then fail(reply) end
return reply
