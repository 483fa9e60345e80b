"""Cauldron's dispatchers and clients, of the checkout that CAULDRON_PATH names.

It has to have its Redis backend, in extras/Cauldron_redis.
"""
import collections.abc
import io
import logging
import os
import sys
import types
import warnings

import pkg_resources
import redis

from peer import attempt, out, typed

PREFIX = "Cauldron.redis.common"
PATIENCE = 30


def load(a):
    """The modules of dispatchers and clients.

    Cauldron is made for Python 2 and asks for more than it needs here: names that are gone are given
    back, and astropy, the reader of XML and the other backends are empty. It reads its settings as
    text, and needs text from Redis.
    """

    class InheritDocstrings(type):
        pass

    def module(name, **contents):
        made = sys.modules[name] = types.ModuleType(name)
        made.__dict__.update(contents, __path__=[])
        parent, _, own_name = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], own_name, made)
        return made

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for name in ("Mapping", "MutableMapping", "MutableSet", "Set", "Sequence"):
        setattr(collections, name, getattr(collections.abc, name))
    as_bytes = pkg_resources.resource_stream
    pkg_resources.resource_stream = lambda *names: io.TextIOWrapper(as_bytes(*names), "utf-8")

    module("astropy")
    for name in ("utils", "utils.compat", "tests"):
        module("astropy." + name)
    module("astropy.utils.compat.odict", OrderedDict=collections.OrderedDict)
    module("astropy.utils.misc", InheritDocstrings=InheritDocstrings)
    module("astropy.tests.helper", TestRunner=object)
    settings = types.SimpleNamespace(
        update_default_config=lambda *_, **__: None, ConfigurationDefaultMissingError=Exception
    )
    module("astropy.config", configuration=settings)
    for name in ("local", "zmq", "mock", "bundled", "bundled.ktlxml", "bundled.WeakRef"):
        module("Cauldron." + name)

    path = os.environ["CAULDRON_PATH"]
    sys.path.insert(0, path)
    import Cauldron
    from Cauldron.config import cauldron_configuration
    from Cauldron.utils import helpers

    for name in ("local", "zmq", "mock", "bundled"):
        setattr(Cauldron, name, sys.modules["Cauldron." + name])
    helpers._Setting.__bool__ = helpers._Setting.__nonzero__
    if not cauldron_configuration.has_section("redis"):
        cauldron_configuration.add_section("redis")
    url = "redis://127.0.0.1:%d/%d?decode_responses=True" % (a.port, a.db)
    cauldron_configuration.set("redis", "url", url)
    # Where it was before it became an extra; its keys are called after it.
    module("Cauldron.redis").__path__ = [os.path.join(path, "extras", "Cauldron_redis")]
    import Cauldron.redis.client
    import Cauldron.redis.dispatcher

    Cauldron.use("redis")
    from Cauldron import DFW, ktl

    return DFW, ktl


def serve(a):
    """Serves until the list `orders` has a request to shut down. It may have values to set, too."""
    DFW, _ = load(a)
    labels = dict(known.split("=") for known in a.labels)
    server = redis.StrictRedis(port=a.port, db=a.db, decode_responses=True)

    def fail(keyword, value):
        raise RuntimeError("no way to %s" % value)

    def setup(service):
        for keyword in a.keywords:
            name, _, kind = keyword.partition(":")
            kind, _, initial = kind.partition("=")
            made = getattr(DFW.Keyword, kind.capitalize())
            if name in a.fail:
                made = type("Failing", (made,), {"write": fail})
            made = made(name, service, initial=initial or None)
            for number, label in enumerate(filter(None, labels.get(name, "").split(","))):
                made.values[label] = number

    def is_received(name):
        return server.pubsub_numsub("%s.%s.%s" % (PREFIX, a.service, name))[0][1]

    try:
        service = DFW.Service(a.service, config=None, setup=setup)
    except Exception as error:
        return out(op="serve", raises="%s: %s" % (type(error).__name__, error))
    while not all(map(is_received, service.keywords())):
        pass
    out(op="ready", keywords=service.keywords())
    for _, order in iter(lambda: server.blpop("orders", timeout=PATIENCE), None):
        if order == "shutdown":
            service.shutdown()
            return out(op="end")
        name, _, value = order.partition("=")
        attempt("set", lambda: service[name].set(value), keyword=name)


def client(a):
    _, ktl = load(a)
    return ktl.Service(a.service)


def read(a):
    service = client(a)
    for name in a.names:
        attempt("read", lambda: service[name].read(binary=a.binary, timeout=PATIENCE), keyword=name)


def write(a):
    service = client(a)
    time = {"wait": False} if a.no_wait else {"timeout": PATIENCE}
    for name, _, value in (entry.partition("=") for entry in a.entries):
        attempt("write", lambda: service[name].write(value, **time), keyword=name)


def monitor(a):
    """Prints each new value, until it is killed."""

    def notify(keyword):
        out(op="changed", keyword=keyword.name, value=typed(keyword["ascii"]))

    service = client(a)
    for name in a.names:
        # Callbacks are held weakly.
        service[name].callback(notify)
        attempt("monitor", service[name].monitor, keyword=name)
    service.redis.ping()
    out(op="ready")
    service._thread.join(2 * PATIENCE)


def keywords(a):
    attempt("keywords", client(a).keywords)


def add_to(command, one, many):
    """Adds the commands of Cauldron to others."""

    def cauldron(name, run, *arguments):
        def run_and_end(a):
            run(a)
            # Its threads go on.
            os._exit(0)

        database = one("--db", type=int, default=0)
        command("cauldron-" + name, run_and_end, one("service"), *arguments, database)

    several = {"action": "append", "default": []}
    flag = {"action": "store_true"}
    fail = one("--fail", help="a keyword that refuses all writes", **several)
    labels = one("--labels", help="NAME=LABEL,LABEL...", **several)
    cauldron("serve", serve, many("keywords"), fail, labels)
    cauldron("read", read, many("names"), one("--binary", **flag))
    cauldron("write", write, many("entries"), one("--no-wait", **flag))
    cauldron("monitor", monitor, many("names"))
    cauldron("keywords", keywords)
