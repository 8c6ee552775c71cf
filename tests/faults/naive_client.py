"""A sender of webhooks as they are often written: it looks at the URL, looks the name up, looks at the address, and then calls.

Usage: naive_client.py reads one URL a line from standard input. What it calls in vain is of no interest. Row F40 shows with it that its
list and its traps would find somebody out.
"""

import ipaddress
import socket
import sys
import urllib.parse
import urllib.request

ALLOWED = ipaddress.ip_address("127.0.0.2")


def looks_public(url):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname in (None, "localhost", "127.0.0.1", "::1"):
        return False
    found = ipaddress.ip_address(socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)[0][4][0])
    return found == ALLOWED or not (found.is_private or found.is_loopback or found.is_link_local)


for line in sys.stdin:
    try:
        if looks_public(line.rstrip("\n")):
            urllib.request.urlopen(line.rstrip("\n"), data=b"{}", timeout=2).close()
    except Exception:  # Any of them is a call that did not work.
        pass
