"""The control plane: gathers facts, asks policies, commits what passed, compiles the snapshot.

The publish line, top to bottom: `api` -> `documents` (the safe door) -> `publishing` (lint, compat against every live
version of the major, impact, gates) -> `store` (version, audit row and snapshot in one transaction) -> gateways.

Vocabulary: a *unit* is one transaction (`store.write()` or `store.read()`), an *actor* is who holds a management key, a
*saved* thing says whether it was created or changed. Every doing function takes the unit first, then the actor, then
what it is about; time is the argument `now` (unix seconds UTC). A change that changes nothing writes nothing.
"""
