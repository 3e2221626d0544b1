#!/usr/bin/env python3
# systemd.py DIRECTORY PORT PROGRAM... - what a service manager does for a daemon.
# SPDX-License-Identifier: ISC
#
# Binds UDP PORT, passes the socket on (LISTEN_FDS), listens on NOTIFY_SOCKET, asks for
# a sign of life each second. Prints JSON lines: the pid, what it said, how it ended.
import json
import os
import socket
import sys

directory, port, program = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(directory + "/notify")
os.chmod(directory + "/notify", 0o777)
notify.settimeout(0.2)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", port))


def tell(**what):
    print(json.dumps(what), flush=True)


def start():
    # Between fork and exec, for LISTEN_PID must be the daemon's own.
    os.dup2(udp.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()),
                      WATCHDOG_PID=str(os.getpid()))
    os.execv(program[0], program)


os.environ.update(NOTIFY_SOCKET=directory + "/notify", WATCHDOG_USEC="2000000")
pid = os.fork()
if pid == 0:
    start()
udp.close()
tell(pid=pid)
while True:
    try:
        tell(said=notify.recv(4096).decode())
    except socket.timeout:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            break
tell(exit_code=os.waitstatus_to_exitcode(status))
