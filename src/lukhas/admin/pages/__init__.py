"""The pages of the admin plane, rendered on the server."""
