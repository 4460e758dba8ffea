"""Great Expectations at the raw border: what a run brought is judged before staging may see it."""
