"""The fusion network and the engine that runs it over a volume. Needs torch; knows nothing of Slicer."""
