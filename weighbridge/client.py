"""The management API as the command line speaks it. Owns addresses, the key and the translation of problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from weighbridge.errors import CommandError, Exit
from weighbridge.printing import joined
from weighbridge.settings import ClientSettings, read_private


class Refused(CommandError):
    """The registry said no. `problem` is its problem+json body."""

    def __init__(self, message: str, problem: Mapping[str, Any], *, code: Exit, lines: tuple[str, ...] = ()) -> None:
        super().__init__(message, code=code, lines=lines)
        self.problem = problem

    @property
    def status(self) -> int:
        return int(self.problem.get("status", 0))


class Client:
    """A thin client of ``/v1``: JSON in, JSON out, every problem a `Refused`."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )

    def close(self) -> None:
        """Give back the connections (the command line leaves that to the end of the process)."""
        self._http.close()

    @classmethod
    def from_settings(cls, settings: ClientSettings | None = None) -> Client:
        """Environment first, then what `weighbridge up` left behind."""
        settings = settings or ClientSettings()
        left = read_private(settings.home / "client.json")
        url = registry_address(settings)
        key = settings.key.get_secret_value() if settings.key else None
        if key is None and url == left.get("url"):
            key = left["key"]  # which is for that registry and for no other
        if not key:
            raise CommandError(
                f"no management key for {url}: set WEIGHBRIDGE_KEY, or run this where `weighbridge up` runs",
                code=Exit.UNREACHABLE,
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise CommandError("WEIGHBRIDGE_KEY holds a blank, a line break or a letter that no key has")
        return cls(url, key)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Raises `Refused` for any 4xx/5xx and `CommandError` when nobody answers."""
        query = {name: _query(value) for name, value in (params or {}).items() if value is not None}
        try:
            response = self._http.request(method, path, json=body, params=query, headers=dict(headers or {}))
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise CommandError(
                f"the registry at {self.url} does not answer ({reason}): is it running?", code=Exit.UNREACHABLE
            ) from error
        if response.is_error:
            raise refusal(response)
        return response

    def get(self, path: str, **params: Any) -> Any:
        return self.request("GET", path, params=params).json()

    def put(self, path: str, body: Any, **params: Any) -> Any:
        return self.request("PUT", path, body, params=params).json()

    def post(self, path: str, body: Any, **params: Any) -> Any:
        return self.request("POST", path, body, params=params).json()

    def delete(self, path: str, **params: Any) -> None:
        self.request("DELETE", path, params=params)

    def find(self, path: str) -> Any | None:
        """Like `get`, with ``None`` for what does not exist."""
        try:
            return self.get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def items(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, **params, limit=200, cursor=cursor)
            yield from page["items"]
            cursor = page["page"].get("next_cursor")
            if not cursor:
                return


def registry_address(settings: ClientSettings) -> str:
    """Where the registry is: environment, then what `weighbridge up` left, then the default."""
    url = settings.url or read_private(settings.home / "client.json").get("url") or "http://127.0.0.1:8080"
    if not is_address(url):
        raise CommandError(f"WEIGHBRIDGE_URL is {url!r}; the address of a registry looks like http://127.0.0.1:8080")
    return str(url).rstrip("/")


def is_address(text: str) -> bool:
    """Whether something can be called there."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def refusal(response: httpx.Response) -> Refused:
    """A problem+json answer as one line, with a line per fault below it unless the one line says it."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    problem.setdefault("status", response.status_code)
    headline = problem.get("title") or f"the registry answered {response.status_code}"
    detail = problem.get("detail")
    faults = tuple(
        f"  {fault.get('pointer') or '/'}"
        + (f" (line {fault['line']})" if fault.get("line") else "")
        + f": {fault.get('detail', '')}"
        for fault in problem.get("errors") or ()
    )
    message = f"{headline}: {detail}" if detail and detail != headline else headline
    gates = (problem.get("reports") or {}).get("gates") or {}
    if rules := dict.fromkeys(f["rule"] for f in gates.get("findings") or () if f["severity"] == "error"):
        # the findings themselves are printed above it, by `judgements`
        message = f"{str(detail).partition(' is refused')[0]} is refused by {joined(list(rules))}"
    elif len(faults) == 1 and problem["errors"][0].get("detail") == detail:
        message, faults = f"{headline}:{faults[0].removeprefix(' ')}", ()
    if response.status_code == 401:
        message += "; set WEIGHBRIDGE_KEY, or WEIGHBRIDGE_HOME to the folder of `weighbridge up`"
    return Refused(message, problem, code=_exit(response.status_code), lines=faults)


def _exit(status: int) -> Exit:
    if status == 401 or status >= 500:
        return Exit.UNREACHABLE
    return Exit.REFUSED if status in (403, 409, 410, 422) else Exit.UNREADABLE


def _query(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
