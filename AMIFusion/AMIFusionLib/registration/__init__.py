"""Rigid alignment of two images, and how well they agree in space. Needs only numpy; never sees a scene."""
