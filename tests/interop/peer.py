#!/usr/bin/env python3
"""The Python side of the interoperation tests, with the real libraries.

    peer.py COMMAND PORT [ARGUMENTS...] [--options]

Each result is one line of JSON. Long-running commands print a line `ready` first. Values are
given as Python literals (5, 'text', b'x', [1, None]), or nan, inf, -inf and set(); what is none of
these is text. They are printed with their types: {"t": "int", "v": "5"}. What a library raises is
printed as "raises", and the exit status is still 0.
"""
import argparse
import ast
import contextlib
import functools
import json
import logging
import math
import os
import pickle
import random
import struct
import threading
import time

import redis

SPECIAL = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"), "set()": set()}


def out(**line):
    print(json.dumps(line), flush=True)


def typed(value):
    kind = type(value).__name__
    if value is None:
        return {"t": "none"}
    if kind == "bool":
        return {"t": kind, "v": value}
    if kind in ("int", "float", "complex"):
        return {"t": kind, "v": repr(value)}
    if kind == "str":
        return {"t": kind, "v": value}
    if kind == "bytes":
        return {"t": kind, "hex": value.hex()}
    if kind in ("list", "tuple"):
        return {"t": kind, "v": [typed(item) for item in value]}
    if kind in ("set", "frozenset"):
        return {"t": kind, "v": sorted(map(typed, value), key=json.dumps)}
    if kind == "dict":
        return {"t": kind, "v": [[typed(key), typed(item)] for key, item in value.items()]}
    return {"t": "repr", "v": repr(value)}


def literal(text):
    if text in SPECIAL:
        return SPECIAL[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def entry(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise SystemExit("%r is not KEY=VALUE" % text)
    return key, literal(value)


def attempt(op, call, **more):
    try:
        value = call()
    except Exception as error:
        out(op=op, raises="%s: %s" % (type(error).__name__, error), **more)
    else:
        out(op=op, value=typed(value), **more)


# What dictionaries of both libraries have.


def write(d, entries):
    for key, value in entries:
        attempt("setitem", lambda: d.__setitem__(key, value), key=key)


def read(d, keys):
    if not keys:
        attempt("items", lambda: dict(d.items()))
    for key in keys:
        attempt("getitem", lambda: d[key], key=key)


def delete(d, keys):
    for key in keys:
        attempt("delitem", lambda: d.__delitem__(key), key=key)


def contains(d, keys):
    for key in keys:
        attempt("contains", lambda: bool(key in d), key=key)


# Floats as redis-py writes them: their bits and their texts as lists, the first of them as a set.


def floats(a):
    client = redis.StrictRedis(port=a.port)
    numbers = random.Random(a.seed)

    def write():
        for start in range(0, a.count, 1000):
            page = [
                math.ldexp(0.5 + numbers.random() / 2, 40 + number % 21)
                for number in range(start, min(start + 1000, a.count))
            ]
            client.rpush("bits", *(struct.unpack("<Q", struct.pack("<d", x))[0] for x in page))
            client.rpush("texts", *page)
            if start == 0:
                client.sadd("members", *page)

    attempt("floats", write)


# redis-pydict


def pydict(a):
    from redis_pydict import PyRedisDict

    d = PyRedisDict(host="127.0.0.1", port=a.port, namespace=a.namespace)
    if a.notify is not None:
        d.set_notification_mode(True)
        d.set_notification_id(a.notify)
    return d


def pydict_update(a):
    attempt("update", lambda: pydict(a).update(dict(map(entry, a.entries))))


def pydict_call(a):
    d = pydict(a)
    methods = {"clear": d.clear, "len": lambda: len(d), "iter": lambda: sorted(d)}
    attempt(a.method, methods[a.method])


# redis_pubsub_dict


class Adapter(redis.StrictRedis):
    """The library, made for Python 2, needs text for keys and messages and bytes for values."""

    def scan_iter(self, *args, **kwargs):
        return (key.decode() for key in super().scan_iter(*args, **kwargs))

    def pubsub(self, **kwargs):
        port = self.connection_pool.connection_kwargs["port"]
        return redis.StrictRedis(port=port, decode_responses=True).pubsub(**kwargs)


def quiet_dict(a):
    from redis_pubsub_dict import RedisDict

    return RedisDict(Adapter(port=a.port), a.prefix)


def pubsub_dict(a):
    from redis_pubsub_dict import PubSubRedisDict

    return PubSubRedisDict(Adapter(port=a.port), a.prefix)


def pubsub_call(a):
    d = quiet_dict(a)
    methods = {"keys": lambda: sorted(d.keys()), "size": d.size, "clear": d.clear}
    attempt(a.method, methods[a.method])


def wait_until_subscribed(a):
    server = redis.StrictRedis(port=a.port)
    end = time.time() + 30
    while not server.pubsub_numsub(a.prefix + "/update")[0][1]:
        if time.time() > end:
            raise TimeoutError("waited in vain for a subscriber of " + a.prefix)
        time.sleep(0.005)


def pubsub_listen(a):
    def printer(action):
        return lambda key: out(op="message", action=action, key=key)

    pubsub_dict(a).subscribe(update=printer("update"), delete=printer("delete"))
    wait_until_subscribed(a)
    out(op="ready")
    time.sleep(a.timeout)  # The test ends this process, unless the test itself has died.
    os._exit(0)


def cache_manager(a):
    import pylru
    from redis_pubsub_dict import PubSubCacheManager

    manager = PubSubCacheManager(pubsub_dict(a), pylru.lrucache(a.cache_size))
    wait_until_subscribed(a)
    return manager


def pubsub_cache_watch(a):
    """Reads the keys, then prints the local cache whenever it is another one."""
    from redis_pubsub_dict import NoneKey

    def cached(value):
        return {"t": "NoneKey"} if value is NoneKey else typed(value)

    def state():
        cache = {key: cached(value) for key, value in sorted(manager.cache.items())}
        return {"cache": cache, "subscriber_alive": manager.store.subscriber.is_alive()}

    manager = cache_manager(a)
    for key in a.keys:
        with contextlib.suppress(KeyError):
            manager[key]
    last = state()
    out(op="ready", **last)
    end = time.time() + a.timeout
    while time.time() < end:
        time.sleep(0.005)
        try:
            now = state()
        except RuntimeError:  # It changed meanwhile.
            continue
        if now != last:
            last = now
            out(op="cache", **now)
    os._exit(0)


def pubsub_cache_write(a):
    manager = cache_manager(a)
    write(manager, map(entry, a.entries))
    os._exit(0)


def pubsub_cache_delete(a):
    manager = cache_manager(a)
    delete(manager, a.keys)
    os._exit(0)


# pyredis-cache


def cache_codec(name):
    if name == "raw":
        return {}
    if name == "json":
        return {"set_func": json.dumps, "get_func": json.loads}
    dumps = functools.partial(pickle.dumps, protocol=int(name[len("pickle"):]))
    return {"set_func": dumps, "get_func": pickle.loads}


def cache(a):
    from redis_cache import CacheClient, HashCacheClient
    from redis_cache.utils import key_generator

    def sync(*args):
        nonlocal asked
        asked = True
        if a.hold is not None:
            out(op="asking")
            redis.StrictRedis(port=a.port).blpop(a.hold)
        return literal(a.source)

    logging.disable(logging.CRITICAL)
    asked = False
    pool = redis.ConnectionPool(port=a.port)
    codec = cache_codec(a.codec)
    if a.hash is None:
        client = CacheClient(pool, a.name, sync, expire_time=a.ttl, **codec)
        ids = [a.id]
    else:
        hash_key, hash_id = a.hash.split(":")
        client = HashCacheClient(pool, hash_key, a.name, sync, **codec)
        ids = [int(hash_id), a.id]
    methods = {
        "get": lambda: client.get(*ids),
        "set": lambda: client.set(*ids, data=literal(a.data)),
        "delete": lambda: client.delete(*ids),
        "delete_hash": lambda: client.delete_hash(ids[0]),
        "pttl": lambda: redis.StrictRedis(port=a.port).pttl(key_generator(a.name, a.id)),
    }
    attempt(a.method, methods[a.method])
    out(op="source", asked=asked)


def cache_names(a):
    from redis_cache.utils import key_generator

    for name, number in map(entry, a.entries):
        attempt("key", lambda: key_generator(name, number))


def main():
    import keywords

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, run, *arguments):
        p = commands.add_parser(name)
        p.set_defaults(run=run)
        p.add_argument("port", type=int)
        for argument in arguments:
            argument(p)

    def one(name, **settings):
        return lambda p: p.add_argument(name, **settings)

    def many(name):
        return one(name, nargs="*")

    namespace, prefix, method = one("namespace"), one("prefix"), one("method")
    keys, entries = many("keys"), many("entries")
    notify = one("--notify")
    timeout = one("--timeout", type=float, default=60)
    size = one("--cache-size", type=int, default=10)

    command("floats", floats, one("seed", type=int), one("--count", type=int, default=1000))
    command("pydict-write", lambda a: write(pydict(a), map(entry, a.entries)), namespace, entries, notify)
    command("pydict-update", pydict_update, namespace, entries, notify)
    command("pydict-read", lambda a: read(pydict(a), a.keys), namespace, keys, notify)
    command("pydict-delete", lambda a: delete(pydict(a), a.keys), namespace, keys, notify)
    command("pydict-contains", lambda a: contains(pydict(a), a.keys), namespace, keys, notify)
    command("pydict-call", pydict_call, namespace, method, notify)

    command("dict-write", lambda a: write(quiet_dict(a), map(entry, a.entries)), prefix, entries)
    command("pubsub-write", lambda a: write(pubsub_dict(a), map(entry, a.entries)), prefix, entries)
    command("pubsub-read", lambda a: read(quiet_dict(a), a.keys), prefix, keys)
    command("pubsub-delete", lambda a: delete(pubsub_dict(a), a.keys), prefix, keys)
    command("pubsub-contains", lambda a: contains(quiet_dict(a), a.keys), prefix, keys)
    command("pubsub-call", pubsub_call, prefix, method)
    command("pubsub-listen", pubsub_listen, prefix, timeout)
    command("pubsub-cache-watch", pubsub_cache_watch, prefix, keys, timeout, size)
    command("pubsub-cache-write", pubsub_cache_write, prefix, entries, size)
    command("pubsub-cache-delete", pubsub_cache_delete, prefix, keys, size)

    command(
        "cache", cache, method, one("name"), one("id", type=int),
        one("--hash", help="KEY:ID"), one("--codec", default="json"), one("--data"),
        one("--source", default="None"), one("--ttl", type=literal, default=0),
        one("--hold", help="a list for whose next item the source waits"),
    )
    command("cache-names", cache_names, entries)
    keywords.add_to(command, one, many)
    a = parser.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
