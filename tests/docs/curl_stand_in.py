"""Stands in for curl on machines that have none: the few options that the documentation uses."""

import http.client
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ("main",)

_WITH_VALUE = {"-D", "-H", "-X", "-o", "-w", "--cacert", "--cert", "--key"}


def main(arguments: list[str]) -> int:
    """Asks once and writes what curl would; gives the exit code."""
    options: dict[str, str] = {}
    fields: dict[str, str] = {}
    url = ""
    words = iter(arguments)
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(":")
            fields[name] = value.strip()
        elif word in _WITH_VALUE:
            options[word] = next(words)
        elif word.startswith("-"):
            options.update((f"-{letter}", "") for letter in word[1:])
        else:
            url = word
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = _connection(parts.scheme, parts.hostname, parts.port, options)
    try:
        connection.request(options.get("-X", "GET"), parts.path or "/", headers=fields)
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        sys.stderr.write(f"curl: {error}\n")
        return 7
    finally:
        connection.close()
    head = f"HTTP/1.{response.version % 10} {response.status} {response.reason}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in response.getheaders()) + "\r\n"
    out = sys.stdout.buffer
    if "-i" in options or options.get("-D") == "-":
        out.write(head.encode("latin-1"))
    if "-o" in options:
        Path(options["-o"]).write_bytes(body)
    else:
        out.write(body)
    told = options.get("-w", "").replace("\\n", "\n")
    out.write(told.replace("%{http_code}", str(response.status)).encode())
    return 0


def _connection(
    scheme: str, host: str, port: int | None, options: dict[str, str]
) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=10)
    context = ssl.create_default_context(cafile=options.get("--cacert"))
    if "--cert" in options:
        context.load_cert_chain(options["--cert"], options.get("--key"))
    return http.client.HTTPSConnection(host, port, timeout=10, context=context)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
