"""Who may call, and how often: Basic and OAuth credentials, and a limit per key over an exact sliding window."""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
import time
from collections import deque
from collections.abc import Callable

from starlette.datastructures import Headers

from importer.sandbox.options import SandboxOptions, parse_rate

Clock = Callable[[], float]


def basic_header(username: str, password: str) -> str:
    """The Authorization header that the API documents: the password's MD5 in lower-case hex takes its place."""
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return "Basic " + base64.b64encode(f"{username}:{digest}".encode()).decode()


class Authenticator:
    """Knows one till and one OAuth client, and the tokens it has given out."""

    def __init__(self, options: SandboxOptions, clock: Clock = time.monotonic) -> None:
        self._basic = basic_header(options.username, options.password)
        self._username = options.username
        self._key = options.client_key
        self._secret = options.client_secret
        self._ttl = options.token_ttl
        self._clock = clock
        self._tokens: dict[str, float] = {}

    def key_of(self, headers: Headers) -> str | None:
        """The key a call is made with, or None if it is refused."""
        token = headers.get("x-cap-api-oauth-token")
        if token is not None:
            ends = self._tokens.get(token)
            return self._key if ends is not None and self._clock() < ends else None
        sent = headers.get("authorization", "")
        return self._username if secrets.compare_digest(sent.encode(), self._basic.encode()) else None

    def new_token(self, key: str, secret: str) -> tuple[str, int | float] | None:
        """A token and the seconds it lives, or None for wrong credentials. Earlier tokens live on."""
        if (key, secret) != (self._key, self._secret):
            return None
        now = self._clock()
        self._tokens = {token: ends for token, ends in self._tokens.items() if ends > now}
        token = secrets.token_urlsafe(24)
        self._tokens[token] = now + self._ttl
        return token, int(self._ttl) if self._ttl == int(self._ttl) else self._ttl

    def expire_tokens(self) -> None:
        self._tokens.clear()


class RateWindow:
    """At most `count` requests in any window of `seconds`, to the letter: every arrival that passed is remembered."""

    def __init__(self, rate: str, clock: Clock = time.monotonic) -> None:
        self.count, self.seconds = parse_rate(rate)
        self._clock = clock
        self._passed: deque[float] = deque()

    def admit(self) -> float:
        """0 if the request may pass, else the seconds until the next one may. What is refused does not count."""
        now = self._clock()
        passed = self._passed
        while passed and passed[0] <= now - self.seconds:
            passed.popleft()
        if len(passed) < self.count:
            passed.append(now)
            return 0.0
        return passed[0] + self.seconds - now

    def headers(self) -> dict[str, str]:
        now = self._clock()
        reset = self._passed[0] + self.seconds - now if self._passed else 0.0
        return {
            "RateLimit-Limit": str(self.count),
            "RateLimit-Remaining": str(self.count - len(self._passed)),
            "RateLimit-Reset": str(math.ceil(max(0.0, reset))),
        }
