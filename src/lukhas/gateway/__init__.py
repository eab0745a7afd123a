"""The gateway: the front server, forwarding to upstreams, and the processes they run in."""
