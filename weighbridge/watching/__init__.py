"""`weighbridge top`: what one or several gateways do right now, read from the operator's door of each.

`readings` asks and parses, `rates` compares two readings (pure), `screen` draws, `keyboard` listens. Nothing here
changes anything at a gateway.
"""
