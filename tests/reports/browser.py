"""A headless Chromium that tests open pages in, over its DevTools protocol and a pair of pipes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PHONE_PX = 390
WAIT_S = 60
"""For any one answer; a busy machine takes seconds to start a browser."""

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
KEYS = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}
COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")


class Pipe:
    """Messages to the browser and back, each ended by a zero byte."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._last = 0
        self.events: list[dict[str, Any]] = []
        """What the browser said by itself, in order."""

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one command."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        _write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def wait_for(self, method: str, since: int) -> None:
        """Until the browser says it, or has said it after the event number `since`."""
        while not any(event.get("method") == method for event in self.events[since:]):
            self.events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            assert data, "the browser has gone" if ready else f"no answer within {WAIT_S} s"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


class Tab:
    """One page in the browser."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        target = pipe.call("Target.createTarget", url="about:blank")["targetId"]
        attached = pipe.call("Target.attachToTarget", targetId=target, flatten=True)
        self.target, self._session = target, attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self._since = len(pipe.events)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command to this page."""
        return self._pipe.call(method, self._session, **params)

    def open(self, page: Path, fragment: str = "") -> None:
        """Load a file, and wait until it is loaded."""
        self._since = len(self._pipe.events)
        self.call("Page.navigate", url=page.resolve().as_uri() + fragment)
        self._pipe.wait_for("Page.loadEventFired", self._since)

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, modifiers: int = 0) -> None:
        """One stroke of a key."""
        code = KEYS.get(key, ord(key[0]))
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = "\r" if key == "Enter" else "" if key in KEYS else key
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def resize(self, width_px: int, height_px: int = 800) -> None:
        """As a window, or the screen of a phone."""
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", mobile=False, **size)

    def prefer(self, medium: str = "screen", scheme: str = "light") -> None:
        """Show it as on `screen` or in `print`, to somebody who likes `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)

    def forbid_scripts(self) -> None:
        """From the next page on."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    @property
    def requests(self) -> list[str]:
        """What the page asked for since it was opened, itself included."""
        events = self._named("Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in events]

    @property
    def complaints(self) -> list[str]:
        """What the browser had to say against it."""
        return [json.dumps(event["params"]) for event in self._named(*COMPLAINTS)]

    def _named(self, *methods: str) -> list[dict[str, Any]]:
        events = self._pipe.events[self._since :]
        mine = [event for event in events if event.get("sessionId") == self._session]
        return [event for event in mine if event.get("method") in methods]


@contextmanager
def browser(profile: Path) -> Iterator[Pipe]:
    """A browser that has gone at the end; skips the test where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    ends = [*_high(*os.pipe()), *_high(*os.pipe())]
    reads, to_browser, from_browser, writes = ends
    command = [program, *QUIET, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash", *command],
        pass_fds=(reads, writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(reads), os.close(writes)
    pipe = Pipe(to_browser, from_browser)
    try:
        yield pipe
        pipe.call("Browser.close")
        process.wait(WAIT_S)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser), os.close(from_browser)


def _high(*ends: int) -> list[int]:
    """The same ends with numbers that the browser's own two do not take."""
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved
