"""Completes a short example fragment to a whole document, so that a rule's example shows only what the rule is about.

A fragment is YAML. Its members are merged into a clean document (RFC 7396: ``null`` removes). Besides the members of
OpenAPI itself it may use these, which name places in the clean document::

    get, post, read   the operations GET /items, POST /items and GET /items/{itemId}
    parameters        parameters added to GET /items
    request           members added to the body of POST /items
    response          members added to an item in responses
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

_SHORT: Mapping[str, tuple[str, ...]] = {
    "get": ("paths", "/items", "get"),
    "post": ("paths", "/items", "post"),
    "read": ("paths", "/items/{itemId}", "get"),
    "request": ("components", "schemas", "NewItem", "properties"),
    "response": ("components", "schemas", "Item", "properties"),
}

_CLEAN = """
openapi: 3.1.0
info:
  title: Items
  version: 1.0.0
  description: The items a branch sells.
  contact: {name: Items team, email: items@larkfield.example}
security: [{oauth: [items:read]}]
paths:
  /items:
    get:
      operationId: listItems
      summary: Lists items.
      description: Lists the items of a branch, newest first.
      parameters:
        - {$ref: '#/components/parameters/Limit'}
        - {$ref: '#/components/parameters/Cursor'}
      responses:
        '200':
          description: One page of items.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Page'}
              example: {items: [{itemId: ITM-1}], page: {nextCursor: abc}}
        '400': {$ref: '#/components/responses/Problem'}
        '401': {$ref: '#/components/responses/Problem'}
        '403': {$ref: '#/components/responses/Problem'}
        '429': {$ref: '#/components/responses/Problem'}
    post:
      operationId: createItem
      summary: Creates an item.
      description: Creates an item; a repeated key answers like the first call.
      parameters: [{$ref: '#/components/parameters/IdempotencyKey'}]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/NewItem'}
            example: {}
      responses:
        '201':
          description: The item.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Item'}
              example: {itemId: ITM-1}
        '400': {$ref: '#/components/responses/Problem'}
        '401': {$ref: '#/components/responses/Problem'}
        '403': {$ref: '#/components/responses/Problem'}
        '429': {$ref: '#/components/responses/Problem'}
  /items/{itemId}:
    parameters: [{$ref: '#/components/parameters/ItemId'}]
    get:
      operationId: getItem
      summary: Reads an item.
      description: Reads one item.
      responses:
        '200':
          description: The item.
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Item'}
              example: {itemId: ITM-1}
        '400': {$ref: '#/components/responses/Problem'}
        '401': {$ref: '#/components/responses/Problem'}
        '403': {$ref: '#/components/responses/Problem'}
        '404': {$ref: '#/components/responses/Problem'}
        '429': {$ref: '#/components/responses/Problem'}
components:
  securitySchemes:
    oauth:
      type: oauth2
      flows:
        clientCredentials:
          tokenUrl: https://login.larkfield.example/oauth/token
          scopes: {items:read: Read items., items:write: Write items.}
  parameters:
    Limit:
      {name: limit, in: query, description: Page size., schema: {type: integer, minimum: 1, maximum: 200}}
    Cursor:
      {name: cursor, in: query, description: Where to go on., schema: {type: string, maxLength: 512}}
    IdempotencyKey:
      name: Idempotency-Key
      in: header
      required: true
      description: Chosen by the caller, once per intended item.
      schema: {type: string, maxLength: 64}
    ItemId:
      {name: itemId, in: path, required: true, description: The item., schema: {type: string, maxLength: 20}}
  schemas:
    Item:
      type: object
      required: [itemId]
      properties:
        itemId: {type: string, maxLength: 20}
    NewItem:
      type: object
      additionalProperties: false
      properties:
        name: {type: string, maxLength: 80}
    Page:
      type: object
      required: [items, page]
      properties:
        items: {type: array, items: {$ref: '#/components/schemas/Item'}}
        page: {type: object, properties: {nextCursor: {type: string, maxLength: 512}}}
    Problem:
      type: object
      properties:
        type: {type: string, format: uri-reference}
        title: {type: string}
        status: {type: integer}
        detail: {type: string}
  responses:
    Problem:
      description: What went wrong.
      content:
        application/problem+json:
          schema: {$ref: '#/components/schemas/Problem'}
"""
_DOCUMENT: dict[str, Any] = yaml.safe_load(_CLEAN)


def complete(fragment: str) -> dict[str, Any]:
    """The whole document that a fragment stands for."""
    document = copy.deepcopy(_DOCUMENT)
    given = yaml.safe_load(fragment) or {}
    extra = given.pop("parameters", [])
    for key, value in given.items():
        patch: Any = value
        for token in reversed(_SHORT.get(key, (key,))):
            patch = {token: patch}
        document = merged(document, patch)
    if extra:
        document["paths"]["/items"]["get"]["parameters"] += extra
    return document


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396 section 2: members are merged, ``null`` removes one, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
