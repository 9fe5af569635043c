"""A certificate authority made for the run, and certificates of it."""

import datetime
import pathlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


def _new_key(kind: str):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key) -> str:
    return key.private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@dataclass(frozen=True)
class Certificate:
    chain: str  # PEM: the certificate, then the authority's
    key: str  # PEM
    fingerprint: str  # SHA-256 of the DER, lower-case hexadecimal
    der: bytes

    def as_pair(self) -> dict:
        return {"chain": self.chain, "key": self.key}

    def write(self, directory: pathlib.Path, name: str) -> tuple[str, str]:
        chain, key = directory / f"{name}.chain.pem", directory / f"{name}.key.pem"
        chain.write_text(self.chain)
        key.write_text(self.key)
        key.chmod(0o600)
        return str(chain), str(key)


class Authority:
    def __init__(self, name: str = "Black-box tests"):
        self._key = _new_key("ec")
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key.public_key(), datetime.timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(_PEM).decode()

    def _builder(self, subject, public_key, lifetime):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + lifetime)
        )

    def issue(self, *names: str, kind: str = "ec", days: float = 20) -> Certificate:
        key = _new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = self._builder(subject, key.public_key(), datetime.timedelta(days=days))
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())  # wanted by Python 3.13
        builder = builder.add_extension(alternatives, critical=False).add_extension(issuer, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = certificate.public_bytes(_PEM).decode()
        return Certificate(
            chain=pem + self.pem,
            key=_key_pem(key),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            der=certificate.public_bytes(serialization.Encoding.DER),
        )

    def write(self, directory: pathlib.Path) -> str:
        path = directory / "ca.pem"
        path.write_text(self.pem)
        return str(path)
