"""The OCR job: read old capture sessions again, and repair what is stored of their days."""
