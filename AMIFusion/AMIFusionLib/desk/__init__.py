"""The model owner's desk: keys, licenses for many, revocation, new model keys. Never imported by the Slicer module."""
