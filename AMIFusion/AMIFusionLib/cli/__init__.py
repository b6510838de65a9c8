"""The ``amifusion`` command. Needs typer; the Slicer module never imports it."""
