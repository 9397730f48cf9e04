"""What snmpd asks for objects that no module of it has: its pass_persist protocol
(snmpd.conf(5)). The objects are the lines "OID|type|value" of the file that is named as the
argument; it is read again when it changes, so that a device may have a fault."""

import os
import sys


def load(name):
    objects = {}
    with open(name, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line and not line.startswith("#"):
                oid, kind, value = line.split("|", 2)
                objects[tuple(map(int, oid.strip(".").split(".")))] = (kind, value)
    return objects, sorted(objects)


def main():
    name, seen, objects, order = sys.argv[1], None, {}, []
    while True:
        command = sys.stdin.readline()
        if not command:
            return
        command = command.strip()
        if command == "PING":
            print("PONG", flush=True)
            continue
        asked = tuple(map(int, sys.stdin.readline().strip().strip(".").split(".")))
        status = os.stat(name)
        if seen != (status.st_mtime_ns, status.st_ino):
            seen = (status.st_mtime_ns, status.st_ino)
            objects, order = load(name)
        found = asked if command == "get" else next((oid for oid in order if oid > asked), None)
        if found not in objects:
            print("NONE", flush=True)
            continue
        kind, value = objects[found]
        print("." + ".".join(map(str, found)), kind, value, sep="\n", flush=True)


main()
