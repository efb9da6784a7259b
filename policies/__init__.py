"""Decide. Pure judgement over frozen facts: no I/O, no clock, no randomness, no framework.

Every rule of Weighbridge lives here in one of four families of one shape - an id, typed parameters and a
judgement that returns a value:

``lint``       rules on one document
``compat``     rules on two documents
``lifecycle``  the stage table, and the gates that guard each transition
``traffic``    what the gateway asks about one exchange

The registry gathers the facts and acts on design-time verdicts (`Report`); the gateway acts on run-time verdicts
(`Problem`). Time is always an argument.
"""
