-- Runs one command after prelude.lua.
-- KEYS: its keys. ARGV: its name, then its other arguments; of MSET the values.
-- Reply: that of the command.
local command = {ARGV[1]}
for i = 1, #KEYS do
  command[#command + 1] = KEYS[i]
  if ARGV[1] == 'MSET' then command[#command + 1] = ARGV[i + 1] end
end
for i = 2, ARGV[1] == 'MSET' and 1 or #ARGV do command[#command + 1] = ARGV[i] end
local reply = run(command)
if is_error(reply) and reply.halfway then fail(reply) end
return reply
