"""The identity of a worker: by which name and address it answers others."""

import ipaddress
import os
import socket

from streams.errors import in_url
from streams.kafka.client import CLIENT_ID
from streams.settings.sections import WebSettings
from streams.settings.settings import Settings


def worker_name(settings: Settings) -> str:
    """Return by which name this process answers."""
    name = settings.kafka.group_instance_id or CLIENT_ID
    return f"{name} at {socket.gethostname()}, process {os.getpid()}"


def page_address(web: WebSettings) -> str:
    """Return the page's address for people on other machines; empty if none is known."""
    if web.url is not None:
        return web.url
    try:
        address = ipaddress.ip_address(web.host)
    except ValueError:
        return ""
    if address.is_loopback or address.is_unspecified or not web.port:
        return ""
    return f"http://{in_url(web.host, web.port)}/"
