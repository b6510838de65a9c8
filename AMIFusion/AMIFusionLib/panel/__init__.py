"""What the panel is made of. Needs no Qt of its own: the module hands in what it needs."""
