"""What to do about targets that fail, and about the requests that met them."""
