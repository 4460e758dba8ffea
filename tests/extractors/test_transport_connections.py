"""Connections that fail, die or lead elsewhere: a hiccup is tried again, a stranger hears nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from extractors.errors import Refused, Transient
from extractors.http import ATTEMPTS, Client
from tests.extractors.sockets import TOKEN, Caller, ask, http, raw_server


@pytest.mark.fault("A10")
def test_a_closed_port_is_tried_again_and_then_a_hiccup(caller: Caller):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    caller.find_it_well()
    error = caller.error(port)
    assert isinstance(error, Transient)
    assert len([pause for pause in caller.slept if pause >= 0]) == ATTEMPTS - 1


@pytest.mark.fault("A10")
def test_a_host_without_an_address_is_a_hiccup(caller: Caller):
    caller.find_it_well()
    client = caller.client(1, host="nowhere.invalid")
    with pytest.raises(Transient):
        ask(client)
    assert client.tally.retries == ATTEMPTS - 1


@pytest.mark.fault("A10")
def test_an_address_that_never_answers_is_a_hiccup(caller: Caller):
    with socket.socket() as full:
        # A queue for one that nobody takes from: the next connections are never accepted.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        assert isinstance(caller.error(port, connect_seconds=0.2, read_seconds=0.2), Transient)
        for each in waiting:
            each.close()


@pytest.mark.fault("A24")
def test_a_connection_is_kept_and_a_dead_one_replaced(caller: Caller):
    with raw_server(http(), http(), lambda talking: talking.close(), http()) as server:
        client = caller.client(server.port)
        assert ask(client).status == ask(client).status == 200
        assert server.connections == 1
        assert ask(client).status == 200
        assert server.connections == 2
    assert client.tally.retries == 1


@pytest.mark.fault("A17")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_other_host_hears_nothing(caller: Caller, status: int):
    with raw_server(http()) as other:
        for location in (f"http://127.0.0.1:{other.port}/x", "/elsewhere"):
            with raw_server(http(b"", status=status, Location=location)) as server:
                assert isinstance(caller.error(server.port), Refused)
                assert len(server.requests) == 1
        assert other.connections == 0


@pytest.mark.fault("A23")
def test_proxies_and_netrc_are_ignored(caller: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    with raw_server(http()) as proxy, raw_server(http()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NETRC", str(netrc))
        caller.call(server.port)
        assert proxy.connections == 0
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in server.requests[0]


Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(name: str, subject: x509.GeneralName | None, signer: Made | None, *, age: int = 1) -> Made:
    """A certificate that began `age` days ago and is good for ten; an authority when it has no subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begun = datetime.now(UTC) - timedelta(days=age)
    builder = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(signer[0].subject if signer else common)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=subject is None, path_length=None), critical=True)
    )
    if subject is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([subject]), critical=False)
    return builder.sign(signer[1] if signer else key, hashes.SHA256()), key


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that the tests' clients trust, and servers with certificates."""

    directory: Path
    made: Made

    @property
    def file(self) -> Path:
        return self.directory / "authority.pem"

    def context(self, subject: x509.GeneralName | None = None, *, age: int = 1, is_ours: bool = True) -> ssl.SSLContext:
        """The server side of TLS; for 127.0.0.1 unless said otherwise."""
        here = subject or x509.IPAddress(ip_address("127.0.0.1"))
        served, key = certificate("server", here, self.made if is_ours else None, age=age)
        chain = self.directory / "server.pem"
        chain.write_bytes(
            served.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("tls"), certificate("authority", None, None))
    made.file.write_bytes(made.made[0].public_bytes(Encoding.PEM))
    return made


def trusting(caller: Caller, authority: Authority, port: int) -> Client:
    """A client that trusts the tests' authority and, as always, nothing of the environment."""
    client = caller.client(port, scheme="https")
    client.session.verify = str(authority.file)
    return client


def old_protocol(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
    return context


@pytest.mark.fault("A22")
def test_a_good_certificate_of_a_trusted_authority_is_an_answer(caller: Caller, authority: Authority):
    with raw_server(http(), context=authority.context()) as server:
        assert ask(trusting(caller, authority, server.port)).status == 200


@pytest.mark.fault("A22")
@pytest.mark.parametrize(
    "served",
    [
        lambda authority: authority.context(is_ours=False),
        lambda authority: authority.context(x509.DNSName("elsewhere.example")),
        lambda authority: authority.context(age=11),
        lambda authority: old_protocol(authority.context()),
    ],
    ids=["self-signed", "wrong host", "expired", "TLS 1.0"],
)
def test_a_server_nobody_should_trust_ends_the_call_before_the_token_is_sent(
    caller: Caller, authority: Authority, monkeypatch: pytest.MonkeyPatch, served: Callable[[Authority], ssl.SSLContext]
):
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with raw_server(http(), context=served(authority)) as server:
        with pytest.raises(Refused):
            ask(trusting(caller, authority, server.port))
        assert server.requests == []
        assert server.connections == 1


@pytest.mark.fault("A22")
def test_an_authority_of_the_environment_is_not_trusted(
    caller: Caller, authority: Authority, monkeypatch: pytest.MonkeyPatch
):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority.file))
    with raw_server(http(), context=authority.context()) as server:
        assert isinstance(caller.error(server.port, scheme="https"), Refused)
        assert server.requests == []


@pytest.mark.fault("A22")
def test_a_connection_that_ends_in_its_greeting_is_a_hiccup(caller: Caller):
    class HangsUp:
        def wrap_socket(self, talking: socket.socket, **_: object) -> socket.socket:
            talking.close()
            raise OSError

    caller.find_it_well()
    with raw_server(http(), context=HangsUp()) as server:
        assert type(caller.error(server.port, scheme="https")) is Transient
        assert server.connections == ATTEMPTS


@pytest.mark.fault("A17")
def test_a_redirect_from_https_to_http_is_refused(caller: Caller, authority: Authority):
    with raw_server(http()) as other:
        away = http(b"", status=302, Location=f"http://127.0.0.1:{other.port}/x")
        with raw_server(away, context=authority.context()) as server, pytest.raises(Refused):
            ask(trusting(caller, authority, server.port))
        assert other.connections == 0


@pytest.mark.fault("A22")
def test_certificates_are_checked_everywhere():
    sources = Path("extractors").resolve().rglob("*.py")
    assert not [path for path in sources if "verify=False" in path.read_text() or ".verify = " in path.read_text()]
