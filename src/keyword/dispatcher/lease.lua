-- A lease that is nobody's is taken again.
if not holder then redis.call('SET', lease, id, 'PX', ARGV[2]) end
