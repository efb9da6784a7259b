"""What of a document is not for partners: marks that a team sets, read in one way by the gateway and by the view.

``x-internal: true`` or ``x-audience: internal`` (or a longer word that ends so, ``company-internal``) marks an
operation, a path, the whole document (in ``info``), a parameter or a member of a schema. A contract of audience
``internal`` is internal whatever its document says. What a call cannot be made without is never hidden: a mark on a
parameter that is required, as one in the path is, means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.model.contract import Audience, Contract
from policies.model.document import Document, Operation, Parameter

MARKS = frozenset({"x-internal", "x-audience"})


def is_internal(node: Any) -> bool:
    """Whether a node of a document carries a mark."""
    if not isinstance(node, Mapping):
        return False
    audience = node.get("x-audience")
    return node.get("x-internal") is True or (isinstance(audience, str) and audience.lower().endswith("internal"))


def is_marked(document: Document, operation: Operation) -> bool:
    """Whether the operation, its path or its document carries a mark."""
    item = document.at(operation.pointer.rpartition("/")[0])
    return any(is_internal(node) for node in (operation.raw, item, document.tree.get("info")))


def audience_of(contract: Contract, document: Document, operation: Operation) -> Audience:
    """Whom an operation is for: ``partner`` means everybody."""
    return "internal" if contract.audience == "internal" or is_marked(document, operation) else "partner"


def is_hidden(parameter: Parameter) -> bool:
    """Whether a parameter is left out of what partners see."""
    return is_internal(parameter.raw) and not parameter.required
