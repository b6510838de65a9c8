"""How good a fused image is, and what anyone gets for free."""
