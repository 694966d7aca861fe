"""An emulator of an OpenID Connect provider: no real one, but strict where a real one is.

Discovery, authorization (with PKCE S256, state and nonce demanded), token (client secret, code
used once, verifier proven, redirect address as registered) and keys, with id tokens signed with
RS256.  Whoever comes is let in at once, as ``person``.  ``spoil`` changes the next id tokens, so
that a client can be seen to refuse them.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.support.certificates import Certificate, server_context

CLIENT = "sendit"
SECRET = "a-secret-of-the-provider"
Claims = dict[str, Any]


class OidcProvider:
    """Knows one client and one person; ``issuer`` is its address."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.person: Claims = {
            "sub": "248289761001",
            "preferred_username": "maria",
            "groups": ["imaging", "everybody"],
        }
        self.spoil: Callable[[Claims], object] = lambda claims: None
        self.algorithm = "RS256"
        self.stranger = False
        """Sign with a key that is not among the published ones."""
        self.metadata: Claims = {}
        """Laid over what discovery answers."""
        self.refuse = ""
        """The error that whoever comes is sent back with."""
        self.asked: list[str] = []
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.asked.append(parts.path)
                given = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/.well-known/openid-configuration":
                    self._answer(200, provider._discovery())
                elif parts.path == "/keys":
                    self._answer(200, {"keys": [provider._key.as_dict(private=False)]})
                elif parts.path == "/authorize":
                    self._authorize(given)
                else:
                    self._answer(404, {})

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                given = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*provider._token(given, self.headers.get("Authorization", "")))

            def _authorize(self, given: dict[str, str]) -> None:
                wrong = provider._unsound(given)
                if wrong:
                    self._answer(400, {"error": "invalid_request", "error_description": wrong})
                    return
                if provider.refuse:
                    back = {"error": provider.refuse, "error_description": "said by the provider"}
                else:
                    code = secrets.token_urlsafe(16)
                    provider._codes[code] = given
                    back = {"code": code}
                self.send_response(302)
                query = urlencode({**back, "state": given["state"]})
                self.send_header("Location", f"{given['redirect_uri']}?{query}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _answer(self, status: int, document: Claims) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = server_context(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.issuer = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["OidcProvider"]:
        """Answer until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def change_key(self) -> None:
        """Sign with a new key from now on, and publish that one only."""
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)

    def _discovery(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
            **self.metadata,
        }

    @staticmethod
    def _unsound(given: dict[str, str]) -> str:
        """Say what is wrong with a request for authorization."""
        if given.get("client_id") != CLIENT or given.get("response_type") != "code":
            return "client_id or response_type"
        if "openid" not in given.get("scope", "").split():
            return "scope"
        if given.get("code_challenge_method") != "S256" or len(given["code_challenge"]) != 43:
            return "code_challenge"
        needed = [given.get(name, "") for name in ("state", "nonce", "redirect_uri")]
        return "" if all(needed) else "state, nonce or redirect_uri"

    def _token(self, given: dict[str, str], authorization: str) -> tuple[int, Claims]:
        name, _, password = (
            base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        )
        if (unquote(name), unquote(password)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        begun = self._codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            begun is None
            or begun["code_challenge"] != proof
            or begun["redirect_uri"] != given.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self._id_token(begun["nonce"]),
        }

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person,
        }
        self.spoil(claims)
        if self.algorithm == "none":
            parts = ({"alg": "none"}, claims)
            return (
                ".".join(
                    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
                    for part in parts
                )
                + "."
            )
        key: Any = self._key
        if self.algorithm == "HS256":  # our own secret, or what everybody can read: the known trick
            key = OctKey.import_key(self._key.as_pem(private=False))
        elif self.stranger:
            key = RSAKey.generate_key(2048)
        header = {"alg": self.algorithm, "kid": self._key.kid}
        registry = JWSRegistry(algorithms=[self.algorithm])
        return jwt.encode(header, claims, key, registry=registry)
