redis.call('UNLINK', KEYS[2])
return redis.call('UNLINK', KEYS[1])
