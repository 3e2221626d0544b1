#!/usr/bin/env python3
# smtp_sink.py - a mail server that records mails and misbehaves on request.
# SPDX-License-Identifier: ISC
#
# Prints {"port": N} when it listens, then one JSON line for each mail it took:
# {"from", "to", "data", "tls", "sni", "user", "at_ms"}. Recipients whose local part begins with
# "nobody" are refused for good, with "later" for now (the first time).
# usage: smtp_sink.py [--cert FILE --key FILE [--smtps]] [--auth USER:PASSWORD]
#                     [--token USER:FILE] (XOAUTH2, the token is read from FILE each time)
#                     [--hang connect|greeting|data] [--drip] [--huge] [--refuse-mail]
#                     [--turn-away] [--drop-auth]
import argparse
import asyncio
import base64
import json
import queue
import ssl
import sys
import threading
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


lines = queue.Queue()


def tell(what):
    lines.put(json.dumps({**what, "at_ms": time.time_ns() // 1000000}) + "\n")


# A mail may be longer than the pipe holds, and the server must answer all the same.
def write_lines():
    while True:
        sys.stdout.write(lines.get())
        sys.stdout.flush()


threading.Thread(target=write_lines, daemon=True).start()


class Handler:
    def __init__(self, args):
        self.args = args
        self.later = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local.startswith("nobody"):
            return "550 5.1.1 there is no such person"
        if local.startswith("later") and address not in self.later:
            self.later.add(address)
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.args.refuse_mail:
            return "554 5.7.1 not from you"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.args.hang == "data":
            tell({"hang": True})
            await asyncio.sleep(600)
        tell({"from": envelope.mail_from, "to": envelope.rcpt_tos,
              "data": envelope.content.decode("latin-1"), "tls": session.ssl is not None,
              "sni": names[-1] if names else None,
              "user": users[-1] if users else None})
        return "250 2.0.0 taken"


    # XOAUTH2 as Google and Microsoft tell it: user=NAME^Aauth=Bearer TOKEN^A^A
    async def auth_XOAUTH2(self, server, args):
        said = args[1] if len(args) > 1 else await server.challenge_auth("", False)
        if isinstance(said, str):
            said = base64.b64decode(said)
        user, path = self.args.token.split(":", 1)
        want = f"user={user}\x01auth=Bearer {open(path).read().strip()}\x01\x01"
        if said != want.encode():
            return AuthResult(success=False, handled=False)
        users.append(user)
        return AuthResult(success=True)


names = []
users = []


def context(args):
    if not args.cert:
        return None
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(args.cert, args.key)
    ctx.sni_callback = lambda sock, name, c: names.append(name)
    return ctx


async def misbehave(reader, writer, args):
    tell({"hang": True})
    try:
        if args.turn_away:
            writer.write(b"554 5.7.1 nothing from you\r\n")
            while await reader.readline():
                writer.write(b"221 bye\r\n")
            writer.close()
            return
        if args.huge:
            writer.write(b"220-" + b"x" * (10 << 20))
            await writer.drain()
        if args.drip:
            for c in b"220 " + b"x" * 600:
                writer.write(bytes([c]))
                await writer.drain()
                await asyncio.sleep(1)
        await asyncio.sleep(600)
    except (OSError, asyncio.CancelledError):
        pass


async def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cert")
    p.add_argument("--key")
    p.add_argument("--smtps", action="store_true")
    p.add_argument("--auth")
    p.add_argument("--token")
    p.add_argument("--hang")
    p.add_argument("--drip", action="store_true")
    p.add_argument("--huge", action="store_true")
    p.add_argument("--refuse-mail", action="store_true")
    p.add_argument("--turn-away", action="store_true")
    p.add_argument("--drop-auth", action="store_true")
    args = p.parse_args()
    ctx = context(args)
    handler = Handler(args)

    def check(server, session, envelope, mechanism, data):
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        if args.drop_auth:  # and nothing is said
            server.transport.close()
            return AuthResult(success=False, handled=True)
        given = data.login.decode() + ":" + data.password.decode()
        if given != args.auth:
            return AuthResult(success=False, handled=False)
        users.append(data.login.decode())
        return AuthResult(success=True)

    def protocol():
        return SMTP(handler, hostname="sink.test", enable_SMTPUTF8=False,
                    tls_context=None if args.smtps else ctx,
                    authenticator=check if args.auth else None,
                    auth_exclude_mechanism=None if args.token else ["XOAUTH2"],
                    auth_required=bool(args.auth or args.token), auth_require_tls=False,
                    loop=asyncio.get_running_loop())

    if args.hang == "greeting" or args.drip or args.huge or args.turn_away:
        server = await asyncio.start_server(lambda r, w: misbehave(r, w, args), "127.0.0.1", 0)
    else:
        server = await asyncio.get_running_loop().create_server(
            protocol, "127.0.0.1", 0, ssl=ctx if args.smtps else None)
    tell({"port": server.sockets[0].getsockname()[1]})
    await asyncio.Event().wait()


asyncio.run(main())
