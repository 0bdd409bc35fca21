"""Recordings of calls: where they are kept, and getting at them again.

``place`` says where a deployment keeps them, ``wav`` is the file, ``shelf`` copies and deletes finished ones, ``s3`` is the driver.
The bridge makes them (``bridge.recording``).
"""
