"""Many pairs of volumes, fused on a Dask cluster. Needs the ``batch`` extra; the Slicer module never imports it."""
