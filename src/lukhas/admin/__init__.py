"""The admin plane: health, metrics, the admin API and its pages, in a process of its own."""
