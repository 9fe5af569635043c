"""An authority made for the run, and certificates of it: one of ECDSA P-256, one of RSA-2048, and many for many hosts."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def key_pem(key) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(PEM, form, serialization.NoEncryption()).decode()


def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Authority:
    def __init__(self):
        self._key = ec_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hybridge's benchmarks")])
        self._begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        self._end = self._begin + datetime.timedelta(days=60)
        authority = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._builder(self._name, self._key).add_extension(authority, critical=True)
        self.pem = certificate.sign(self._key, hashes.SHA256()).public_bytes(PEM).decode()

    def _builder(self, subject, key):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(self._begin).not_valid_after(self._end)

    def chain(self, key, *names: str) -> str:
        """A certificate for the names, and the authority's, as PEM."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = self._builder(subject, key).add_extension(alternatives, critical=False)
        return certificate.sign(self._key, hashes.SHA256()).public_bytes(PEM).decode() + self.pem

    def write(self, directory: pathlib.Path, name: str, key, *names: str) -> None:
        chain = self.chain(key, *names)
        (directory / f"{name}.pem").write_text(chain)
        (directory / f"{name}.key").write_text(key_pem(key))
        (directory / f"{name}.both").write_text(chain + key_pem(key))


def make(directory: pathlib.Path) -> Authority:
    """The files that the configurations name: ca.pem, and ec and rsa as .pem, .key and .both."""
    directory.mkdir()
    authority = Authority()
    (directory / "ca.pem").write_text(authority.pem)
    authority.write(directory, "ec", ec_key(), "ec.bench.test", "secure.bench.test")
    authority.write(directory, "rsa", rsa_key(), "rsa.bench.test")
    return authority
