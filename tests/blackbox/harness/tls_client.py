"""TLS contexts of clients."""

import ssl

from harness.certificates import Authority


def client_context(
    authority: Authority,
    check: bool = True,
    alpn: tuple[str, ...] = ("http/1.1",),
    minimum=ssl.TLSVersion.TLSv1_2,
    maximum=ssl.TLSVersion.TLSv1_3,
    ciphers: str = "",
) -> ssl.SSLContext:
    """`check=False`: any certificate is taken (for tests of what is served, not of who serves it)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version, context.maximum_version = minimum, maximum
    if check:
        context.load_verify_locations(cadata=authority.pem)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if ciphers:
        context.set_ciphers(ciphers)
    return context
