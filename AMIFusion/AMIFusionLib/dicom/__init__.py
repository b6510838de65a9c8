"""DICOM series and multi-frame files as volumes, and volumes as derived DICOM series. Needs pydicom; no MRML."""
