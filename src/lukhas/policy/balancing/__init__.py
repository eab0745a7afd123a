"""Which of several targets a request goes to."""
