"""The gates, by what they guard: going live (`publishing`), going away (`ending`), and every step (`steps`)."""
