"""Idempotency keys: the same key with the same body gets the first answer again, with another body 422.

Owns what is remembered and for how long. A key is private to an application and an operation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

from weighbridge.demo.backends.exchange import Call, Refusal, Reply

MEMORY = timedelta(hours=72)


def answered_once(call: Call, handler: Callable[[Call], Reply]) -> Reply:
    """Run a creating `handler` at most once per ``Idempotency-Key``; the write and its memory commit together.

    A refusal is not remembered: nothing was created, so the caller may correct the body under the same key. Raises
    `Refusal` 422 ``IDEMPOTENCY_KEY_REUSED``.
    """
    key = call.headers.get("idempotency-key")
    store = call.records.own
    with store.transaction():
        if key is None:
            return handler(call)
        fingerprint = sha256(json.dumps([dict(call.path), call.body], sort_keys=True).encode()).hexdigest()
        operation = f"{call.contract}/{call.major}/{call.operation_id}"
        before = store.remembered(call.caller.application, operation, key, call.now - MEMORY)
        if before is None:
            reply = handler(call)
            answer = {"status": reply.status, "body": reply.body, "headers": dict(reply.headers)}
            store.remember(call.caller.application, operation, key, fingerprint, answer, call.now)
            return reply
        if before[0] != fingerprint:
            raise Refusal(
                422,
                "IDEMPOTENCY_KEY_REUSED",
                "This Idempotency-Key already stands for another request: choose a new one.",
            )
        answer = before[1]
        return Reply(answer["status"], answer["body"], answer["headers"] | {"Idempotency-Replayed": "true"})
