"""Wire formats that clients may speak: one file each, from bytes to a `Request`, and from events to bytes."""
