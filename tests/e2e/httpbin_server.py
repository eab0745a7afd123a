"""httpbin under waitress, as a process; prints its port."""

import sys

import httpbin
import waitress

if __name__ == "__main__":
    server = waitress.create_server(
        httpbin.app,
        host="127.0.0.1",
        port=0,
        threads=16,
        # The tests look at what the gateway says about the client.
        clear_untrusted_proxy_headers=False,
    )
    sys.stdout.write(f"port {server.effective_port}\n")
    sys.stdout.flush()
    server.run()
