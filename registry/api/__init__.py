"""The management API: spec first (``specs/registry/v1/openapi.yaml``), served by connexion behind a guard.

app         assembles; `guard` stands in front; `plain_routes` are beside it
handlers/   one function per operationId
wire        structs and instants <-> JSON; `problems` renders every error; `feed` lets gateways wait
"""
