"""The ``amifusion`` command. Needs the ``cli`` extra; the Slicer module never imports it."""
