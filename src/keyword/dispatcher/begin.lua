if is_over(KEYS[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('SET', KEYS[1], 'modify', 'PX', ARGV[2])
return 1
