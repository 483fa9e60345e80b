#!/usr/bin/env python3
"""One of the processes of a stampede, with the real pyredis-cache: worker.py URL THREADS [hangs]

worker.rs does the same in Rust, and stampede.rs says what the lists are.
"""
import os
import sys
import threading
import time

import redis
from redis_cache import CacheClient

LOAD = 0.2  # Seconds.


def main():
    url, threads, fate = sys.argv[1:]
    client = redis.StrictRedis.from_url(url)

    def load(identity):
        number = client.incr("loads")
        time.sleep(LOAD / 2)
        if fate == "hangs" and number == 1:
            client.rpush("half-way", os.getpid())
            threading.Event().wait()
        time.sleep(LOAD / 2)
        return "the value"

    pool = redis.ConnectionPool.from_url(url)
    cache = CacheClient(pool, "stampede", load, get_func=bytes.decode, expire_time=60)

    def ask():
        client.rpush("ready", os.getpid())
        client.blpop("go")
        try:
            answer = cache.get(1)
        except Exception as error:
            answer = "error: %r" % error
        client.rpush("answers", "%d %s" % (os.getpid(), answer))

    asking = [threading.Thread(target=ask) for _ in range(int(threads))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()


if __name__ == "__main__":
    main()
