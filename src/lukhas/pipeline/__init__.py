"""One exchange, an onion of stages around it, and the way to drive them."""
