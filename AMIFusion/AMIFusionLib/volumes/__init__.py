"""MRML volumes: checks, resampling, intensity windows, slice planes, color and result nodes. Never imports torch."""
