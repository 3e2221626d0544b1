# browser.py - Chromium without a window, told what to do over a pipe.
# SPDX-License-Identifier: ISC
#
# One process for many pages: DevTools' protocol, JSON messages that end with a NUL, on
# descriptors 3 and 4 of the browser, so neither a port nor a WebSocket is needed. Every
# dialog that a page opens is closed and kept, since a page that could open one ran a
# script that nobody meant to be there.
import base64
import json
import os
import shutil
import subprocess


class Browser:
    def __init__(self, directory):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "there is no chromium"
        theirs, self.out = os.pipe()
        self.back, ours = os.pipe()

        def pipes():  # what is inherited at 3 and 4, whatever the numbers were
            a, b = os.dup(theirs), os.dup(ours)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.log = open(f"{directory}/chromium.log", "ab")
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
             f"--user-data-dir={directory}/browser", "--remote-debugging-pipe"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        os.close(theirs)
        os.close(ours)
        self.number, self.rest = 0, b""
        self.events, self.dialogs, self.asked = [], [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Network":
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            assert more, "the browser ended"
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **params):
        self.number += 1
        number = self.number
        what = {"id": number, "method": method, "params": params}
        if getattr(self, "session", None):
            what["sessionId"] = self.session
        os.write(self.out, json.dumps(what).encode() + b"\0")
        while True:
            m = self.message()
            if m.get("id") == number:
                assert "error" not in m, (method, m["error"])
                return m["result"]
            self.event(m)

    def event(self, m):
        if m.get("method") == "Page.javascriptDialogOpening":
            self.dialogs.append(m["params"])
            self.number += 1
            os.write(self.out, json.dumps(
                {"id": self.number, "method": "Page.handleJavaScriptDialog",
                 "params": {"accept": True}, "sessionId": self.session}).encode() + b"\0")
        elif m.get("method") == "Network.requestWillBeSent":
            self.asked.append(m["params"]["request"]["url"])
        if "method" in m:
            self.events.append(m["method"])

    def window(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def visit(self, url):
        self.events.clear()
        said = self.call("Page.navigate", url=url)
        assert "errorText" not in said, (url, said)
        while "Page.loadEventFired" not in self.events:
            self.event(self.message())

    def value(self, script):
        """What a script of ours says, waited for if it promises."""
        said = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                         awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def picture(self, name):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        open(name, "wb").write(base64.b64decode(data))

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (AssertionError, OSError):
            pass
        self.process.wait(20)
