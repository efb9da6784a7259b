"""One module per contract and major: handlers named by operationId, in snake case."""
