"""Who may use a model: sealed model files and the licenses that open them. Needs cryptography and PyJWT, no torch."""
