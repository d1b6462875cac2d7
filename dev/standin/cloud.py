"""Google Cloud around Vertex AI: accounts, access tokens, projects, and its refusals.

Whoever tests makes an account and enrols it; the endpoint at `/token` hands out tokens
for what that account has signed, and `Cloud.authorised` takes these and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from dev.standin import errors
from dev.standin.errors import GoogleError, RawAnswer
from dev.standin.records import RecordedRequest

Wait = Callable[[float], None]

TOKEN_PATH = "/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever the address
TOKEN_SECONDS = 3599
CLOCK_SECONDS = 300  # by which a clock may differ
# How the token endpoint may go wrong; "slow" takes seconds, as in "slow 2".
TOKEN_BEHAVIOURS = ("slow", "500", "html", "moved", "large", "clock")
PROJECT = "stand-in-project"
NO_ROLE = "stand-in-project-without-role"
DISABLED = "stand-in-project-without-api"
UNPAID = "stand-in-project-without-billing"
# google-genai 3.6.1: image models are at `global`; docs.litellm.ai (vertex_image) has
# one at a region.
REGIONAL = {"gemini-2.5-flash-image": ("us-central1",)}
PATH = re.compile(
    r"/v1beta1/(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?"
    r"publishers/(?P<publisher>[^/]+)/models/(?P<model>[^/:]+):(?P<method>\w+)"
)


@dataclass
class MadeAccount:
    """An account as Google hands it over: its JSON, and what Google keeps of it."""

    email: str
    info: dict[str, str]
    public_key: str

    @property
    def text(self) -> str:
        """What an administrator enters."""
        return json.dumps(self.info, indent=2)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may see: lines of the private key."""
        lines = self.info["private_key"].splitlines()
        return tuple(line for line in lines if len(line) > 40)


def make_account(
    url: str, project: str = PROJECT, name: str = "painter"
) -> MadeAccount:
    """A service account whose tokens come from the stand-in at that address."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    email = f"{name}@{project}.iam.gserviceaccount.com"
    info = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": f"{url}{TOKEN_PATH}",
        "universe_domain": "googleapis.com",
    }
    return MadeAccount(email, info, public.decode())


class Place(NamedTuple):
    """What a path of Vertex AI names."""

    project: str
    location: str
    publisher: str
    model: str
    method: str

    @property
    def resource(self) -> str:
        """Its name, as Google's sentences have it."""
        where = f"projects/{self.project}/locations/{self.location}/"
        start = where if self.project else ""
        return f"{start}publishers/{self.publisher}/models/{self.model}"

    def check(self) -> None:
        """Raise the GoogleError for a model that is not there."""
        places = ("", "global", *REGIONAL.get(self.model, ()))
        if self.publisher != "google" or self.location not in places:
            raise publisher_model(self.resource)


def place_of(path: str) -> Place | None:
    """What a path names, if it is one of Vertex AI."""
    found = PATH.fullmatch(path)
    return (
        Place(**{k: v or "" for k, v in found.groupdict().items()}) if found else None
    )


@dataclass
class _Token:
    email: str
    ends: float


@dataclass
class Cloud:
    """The accounts that Google knows, and the tokens that it has handed out."""

    token_seconds: int = TOKEN_SECONDS
    behaviour: str | None = None
    public_keys: dict[str, str] = field(default_factory=dict)
    logins: set[str] = field(default_factory=set)
    tokens: dict[str, _Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Forget tokens and behaviour; accounts stay."""
        self.tokens.clear()
        self.token_seconds, self.behaviour = TOKEN_SECONDS, None

    def enrol(self, account: MadeAccount) -> None:
        """Let this account get tokens."""
        self.public_keys[account.email] = account.public_key

    def delete(self, account: MadeAccount) -> None:
        """Forget the account, and refuse its tokens."""
        self.public_keys.pop(account.email, None)
        self.revoke()

    def revoke(self) -> None:
        """Refuse all tokens that were handed out so far."""
        self.tokens.clear()

    # -- the token endpoint: developers.google.com/identity/protocols/oauth2/
    #    service-account

    def token(self, record: RecordedRequest, raw: bytes, wait: Wait) -> RawAnswer:
        """The answer to a request for a token."""
        if failure := self._failure(wait):
            return failure
        form = dict(parse_qsl(raw.decode("utf-8", "replace")))
        if record.method != "POST":
            return errors.front_end_404(record.path)
        if form.get("grant_type") == "refresh_token":
            return self._for_login(form)
        if form.get("grant_type") != JWT_BEARER:
            return _refused("unsupported_grant_type", "Invalid grant_type: ")
        return self._for_account(form.get("assertion", ""))

    def _failure(self, wait: Wait) -> RawAnswer | None:
        name, _, seconds = (self.behaviour or "").partition(" ")
        if name == "slow":
            wait(float(seconds or 30))
        if name == "500":
            return RawAnswer(500, b'{"error": "internal_failure"}')
        if name == "html":
            return errors.sign_in_page()
        if name == "moved":
            where = {"Location": "http://localhost:1/token"}
            return RawAnswer(302, b"", None, where)
        if name == "large":
            good = self._issued("somebody@example.org")
            return RawAnswer(200, b" " * 1_000_000 + good.body)
        if name == "odd":
            odd = {"access_token": "ya29.two\nlines", "expires_in": 3600}
            return RawAnswer(200, json.dumps(odd).encode())
        return _wrong_clock() if name == "clock" else None

    def _for_login(self, form: dict[str, str]) -> RawAnswer:
        if form.get("refresh_token", "") not in self.logins:
            return _refused("invalid_grant", "Token has been expired or revoked.")
        return self._issued("somebody@example.org")

    def _for_account(self, assertion: str) -> RawAnswer:
        header, claims, signature, signed = _read_jwt(assertion)
        key = self.public_keys.get(str(claims.get("iss")))
        now = time.time()
        if key is None:
            return _refused("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or not _is_signed(key, signature, signed):
            return _refused("invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") != AUDIENCE:
            return _refused("invalid_grant", "Failed audience check.")
        begins, ends = claims.get("iat", 0), claims.get("exp", 0)
        is_now = begins < now + CLOCK_SECONDS and ends > now and ends - begins <= 3600
        if not is_now:
            return _wrong_clock()
        if SCOPE not in str(claims.get("scope", "")).split():
            text = "Invalid OAuth scope or ID token audience provided."
            return _refused("invalid_scope", text)
        return self._issued(str(claims["iss"]))

    def _issued(self, email: str) -> RawAnswer:
        token = f"ya29.c.{secrets.token_urlsafe(120)}"
        with self._lock:
            self.tokens[token] = _Token(email, time.time() + self.token_seconds)
        answer = {"access_token": token, "expires_in": self.token_seconds}
        return RawAnswer(200, json.dumps(answer | {"token_type": "Bearer"}).encode())

    # -- who may do what

    def authorised(self, record: RecordedRequest, place: Place) -> None:
        """Raise the GoogleError for a request with a token that may not go on."""
        scheme, _, sent = record.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            raise api_keys_unsupported()
        token = self.tokens.get(sent)
        if token is None or token.ends < time.time():
            raise token_invalid("ACCESS_TOKEN_EXPIRED" if token else "")
        refusals: dict[str, Callable[[], GoogleError]] = {
            PROJECT: lambda: permission_denied(place.resource),
            NO_ROLE: lambda: permission_denied(place.resource),
            DISABLED: api_disabled,
            UNPAID: billing_disabled,
        }
        own = token.email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
        if place.project not in refusals:
            raise project_unknown(place.project)
        if place.project != PROJECT or own not in (PROJECT, "example.org"):
            raise refusals[place.project]()


def _read_jwt(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signature, and what is signed; empty ones where it is none."""
    try:
        head, body, signature = text.split(".")
        read = [json.loads(_decoded(part)) for part in (head, body)]
        return read[0], read[1], _decoded(signature), f"{head}.{body}".encode()
    except (ValueError, TypeError):
        return {}, {}, b"", b""


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _is_signed(pem: str, signature: bytes, signed: bytes) -> bool:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _refused(error: str, description: str) -> RawAnswer:
    """An error as OAuth has it (RFC 6749, 5.2)."""
    body = {"error": error, "error_description": description}
    return RawAnswer(400, json.dumps(body, indent=2).encode())


def _wrong_clock() -> RawAnswer:
    # googleapis/google-auth-library-python, as many bug reports quote it
    return _refused(
        "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
        "reasonable timeframe. Check your iat and exp values in the JWT claim.",
    )


# -- refusals; the texts as bug reports of other projects quote them ------------------

_SERVICE = "aiplatform.googleapis.com"
_METHOD = "google.cloud.aiplatform.v1beta1.PredictionService.StreamGenerateContent"
_RPC = "type.googleapis.com/google.rpc.ErrorInfo"


def _info(reason: str, domain: str = "googleapis.com", **metadata: str) -> Any:
    about = {"service": _SERVICE, **metadata}
    return [{"@type": _RPC, "reason": reason, "domain": domain, "metadata": about}]


def publisher_model(resource: str) -> GoogleError:
    """BerriAI/litellm issue 17132."""
    return GoogleError(
        404,
        f"Publisher Model `{resource}` was not found or your project does not have "
        "access to it. Please ensure you are using a valid model version. For more "
        "information, see: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/"
        "model-versions",
    )


def api_keys_unsupported() -> GoogleError:
    """googleapis/python-genai issue 1404."""
    return GoogleError(
        401,
        "API keys are not supported by this API. Expected OAuth2 access token or other "
        "authentication credentials that assert a principal. See "
        "https://cloud.google.com/docs/authentication",
        details=_info("CREDENTIALS_MISSING", method=_METHOD),
    )


def token_invalid(reason: str = "") -> GoogleError:
    """A token that has ended, was revoked, or never was one."""
    return GoogleError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access "
        "token, login cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        details=_info(reason or "ACCESS_TOKEN_TYPE_UNSUPPORTED", method=_METHOD),
    )


def permission_denied(resource: str = "projects/p/locations/global") -> GoogleError:
    """rhel-lightspeed/linux-mcp-server pull request 450."""
    permission = "aiplatform.endpoints.predict"
    return GoogleError(
        403,
        f"Permission '{permission}' denied on resource '//{_SERVICE}/{resource}' (or "
        "it may not exist).",
        details=_info("IAM_PERMISSION_DENIED", _SERVICE, permission=permission),
    )


def project_unknown(project: str = "no-such-project") -> GoogleError:
    """GoogleCloudPlatform/training-data-analyst issue 1811."""
    return GoogleError(
        403,
        f"Permission denied on resource project {project}.",
        details=_info("CONSUMER_INVALID", consumer=f"projects/{project}"),
    )


def api_disabled() -> GoogleError:
    """GoogleCloudPlatform/vertex-ai-samples issue 476."""
    return GoogleError(
        403,
        "Vertex AI API has not been used in project 720070608347 before or it is "
        "disabled. Enable it by visiting https://console.developers.google.com/apis/"
        f"api/{_SERVICE}/overview?project=720070608347 then retry. If you enabled this "
        "API recently, wait a few minutes for the action to propagate to our systems "
        "and retry.",
        details=_info("SERVICE_DISABLED", consumer="projects/720070608347"),
    )


def billing_disabled() -> GoogleError:
    """GoogleCloudPlatform/php-docs-samples issue 1235."""
    return GoogleError(
        403,
        "This API method requires billing to be enabled. Please enable billing on "
        "project #720070608347 by visiting https://console.developers.google.com/"
        "billing/enable?project=720070608347 then retry. If you enabled billing for "
        "this project recently, wait a few minutes for the action to propagate to our "
        "systems and retry.",
        details=_info("BILLING_DISABLED", consumer="projects/720070608347"),
    )


def quota_of_base_model() -> GoogleError:
    """GoogleCloudPlatform/Open_Data_QnA issue 61."""
    return GoogleError(
        429,
        f"Quota exceeded for {_SERVICE}/generate_content_requests_per_minute_per_"
        "project_per_base_model with base model: gemini-3-pro-image. Please submit a "
        "quota increase request. https://cloud.google.com/vertex-ai/docs/generative-ai/"
        "quotas-genai.",
    )


def resource_exhausted() -> GoogleError:
    """cloud.google.com/vertex-ai/generative-ai/docs/error-code-429."""
    return GoogleError(
        429,
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more "
        "details.",
    )


# Name → what `[[error NAME]]` in a prompt plays.
REFUSALS: dict[str, Callable[[], GoogleError]] = {
    "vertex permission": permission_denied,
    "vertex project": project_unknown,
    "vertex disabled": api_disabled,
    "vertex billing": billing_disabled,
    "vertex quota": quota_of_base_model,
    "vertex exhausted": resource_exhausted,
    "vertex token": token_invalid,
}
errors.CANONICAL.update(REFUSALS)
