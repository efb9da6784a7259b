"""One function per operation of the management API, named as its operationId.

A handler takes the `Call` first and the operation's path and query parameters by name; it runs in a worker thread (a
coroutine function on the event loop) and raises the registry's errors. To add an operation: the path in
``specs/registry/v1/openapi.yaml``, a function here, its name in the module's ``__all__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.api.handlers import (
    access,
    consuming,
    contracts,
    credentials,
    governance,
    judging,
    log,
    signing,
    subscribing,
    usage,
    versions,
)

MODULES = (access, consuming, contracts, credentials, governance, judging, log, signing, subscribing, usage, versions)
HANDLERS: dict[str, Callable[..., Any]] = {name: getattr(module, name) for module in MODULES for name in module.__all__}
