"""The nginx site of ``deploy`` in front of a running panel, where nginx is installed."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SITE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
PATIENCE_S = 120

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx not installed")

MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "panel.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@dataclass(frozen=True, slots=True)
class Proxied:
    """The site's ports, and what its certificate is checked against."""

    plain: int
    secure: int
    trust: ssl.SSLContext


@pytest.fixture(scope="module")
def proxied(running_panel, tmp_path_factory):
    """The site before the demo; what is replaced are names, places and ports, and nothing else."""
    folder = tmp_path_factory.mktemp("nginx")
    plain, secure = free_port(), free_port()
    make_certificate(folder)
    site = SITE.read_text()
    for old, new in (
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ", f"listen 127.0.0.1:{secure} "),
        ("/etc/letsencrypt/live/panel.example", str(folder)),
        ("/var/log/nginx", str(folder)),
        ("127.0.0.1:8765;", f"127.0.0.1:{urlsplit(running_panel.url).port};"),
    ):
        assert old in site
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    (folder / "main.conf").write_text(MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "main.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert 0 == checked.returncode, checked.stderr
    with subprocess.Popen(command) as process:
        limit = time.monotonic() + PATIENCE_S
        while socket.socket().connect_ex(("127.0.0.1", secure)) != 0:
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        trust = ssl.create_default_context(cafile=folder / "fullchain.pem")
        trust.check_hostname = False
        yield Proxied(plain, secure, trust)
        process.terminate()


def ask(proxied, method, path, body=None, *, secure=True):
    port = proxied.secure if secure else proxied.plain
    if secure:
        made: http.client.HTTPConnection = http.client.HTTPSConnection("127.0.0.1", port, context=proxied.trust)
    else:
        made = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Host": f"panel.example:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    made.request(method, path, body, headers)
    reply = made.getresponse()
    status, text = reply.status, reply.read().decode()
    made.close()
    return status, text


def test_pages_show_the_address_with_scheme_and_port(proxied):
    status, page = ask(proxied, "GET", "/")
    assert (200, True) == (status, f"https://panel.example:{proxied.secure}/api/v2" in page)


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/", "/api/v1", "/api/v1/"])
def test_calls_reach_the_api_with_and_without_a_slash(proxied, running_panel, path):
    status, text = ask(proxied, "POST", path, f"key={running_panel.key}&action=balance")
    assert (200, True) == (status, "balance" in json.loads(text))


def test_what_is_too_long_is_refused_by_the_proxy(proxied):
    assert 413 == ask(proxied, "POST", "/api/v2", "x" * (2 * 1024 * 1024))[0]


def test_calls_in_clear_are_refused_and_pages_redirected(proxied, running_panel):
    assert 403 == ask(proxied, "POST", "/api/v2", f"key={running_panel.key}&action=balance", secure=False)[0]
    assert 301 == ask(proxied, "GET", "/", secure=False)[0]


def test_health_is_not_told_to_the_world(proxied):
    assert 404 == ask(proxied, "GET", "/healthz")[0]
