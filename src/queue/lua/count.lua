-- How many items there are in some lists.
local number = 0
for i = 1, #KEYS do number = number + redis.call('LLEN', KEYS[i]) end
return number
