if is_over(KEYS[4], ARGV[5], ARGV[6]) then return 0 end
local keyword =
  {status = KEYS[1], failure = KEYS[2], times = KEYS[3], name = ARGV[3], channel = ARGV[4]}
local reason = redis.call('GET', keyword.failure)
turn(keyword, moment(keyword, 0), 'modify', reason, false, ARGV[2])
return 1
