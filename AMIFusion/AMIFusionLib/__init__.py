"""AMIFusion's library: authorizable fusion of medical images."""

__version__ = "0.1.0"
