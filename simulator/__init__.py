"""The four platforms on loopback: they page, throttle, expire and restate, and keep a ledger of every request."""
