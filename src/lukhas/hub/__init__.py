"""The composition root: settings in, a running hub out; and the programmatic way in."""
