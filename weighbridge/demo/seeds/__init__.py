"""The demo's facts on the day it is first run: who trades, what is kept where, which orders are under way."""
