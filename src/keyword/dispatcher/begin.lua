redis.call('SET', KEYS[1], 'modify', 'PX', ARGV[2])
return 1
