"""All settings, from the environment or a `.env` file.

docs/settings.md describes each. An invalid value stops the start.
"""

import hmac
from pathlib import Path

from chatsite.certificates import use_certificates
from chatsite.cookies import check_names, name_for
from chatsite.env import from_process
from chatsite.headers import header_lines, header_value, token
from chatsite.proxies import proxy_for
from chatsite.secret_key import kept_secret_key
from chatsite.stores import check_redis_url, database, socket_url
from chatsite.values import (
    OPENAI_URL,
    folder,
    listening_host,
    mail_domain,
    mail_host,
    model_name,
    sender,
    site_origin,
    upstream_base_url,
)

BASE_DIR = Path(__file__).resolve().parent.parent
env = from_process(BASE_DIR)

# --- Where things are -------------------------------------------------------

DATA_DIR = folder("DATA_DIR", env.text("DATA_DIR", "var"), BASE_DIR)
HOST = listening_host("HOST", env.text("HOST", "127.0.0.1"))
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
WORKERS = env.integer("WORKERS", 1, minimum=1, maximum=256)
_site = site_origin(env.text("SITE_URL"), HOST, PORT)
SITE_URL = str(_site)
SITE_IS_HTTPS = _site.scheme == "https"

# --- Django -----------------------------------------------------------------

SECRET_KEY = env.secret("SECRET_KEY") or kept_secret_key(DATA_DIR)
DEBUG = env.flag("DEBUG", False)
_loopback = [".localhost", "localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS") or [_site.host, *_loopback]
CSRF_TRUSTED_ORIGINS = env.trusted_origins("CSRF_TRUSTED_ORIGINS") or [SITE_URL]

INSTALLED_APPS = [
    "chat.apps.ChatsiteAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "chat.apps.ChatConfig",
    "chatsite",
]
MIDDLEWARE = [
    "chat.web.middleware.security_headers",
    "servestatic.middleware.ServeStaticMiddleware",
    "chat.web.async_middleware.Security",
    "chat.web.async_middleware.Session",
    "chat.web.async_middleware.Common",
    "chat.web.async_middleware.Csrf",
    "chat.web.async_middleware.Authentication",
    "chat.web.async_middleware.Messages",
    "chat.web.async_middleware.FrameOptions",
    "chat.web.middleware.database_away",
]
# Scripts of these origins, and of no others, may call the API.
CORS_ORIGINS = env.origins("CORS_ORIGINS")
if CORS_ORIGINS:
    INSTALLED_APPS.append("corsheaders")
    MIDDLEWARE.insert(1, "corsheaders.middleware.CorsMiddleware")
    CORS_ALLOWED_ORIGINS = CORS_ORIGINS
    CORS_URLS_REGEX = r"^/api/"
    CORS_ALLOW_CREDENTIALS = True
    CORS_ALLOW_METHODS = ["GET", "POST"]
    CORS_ALLOW_HEADERS = ["accept", "cache-control", "content-type", "last-event-id", "x-csrftoken"]
    CORS_EXPOSE_HEADERS = ["RateLimit", "RateLimit-Policy", "Retry-After", "X-CSRFToken"]
# `check --deploy` looks for the names of Django's middleware; ours are subclasses of it.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]
ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chat.web.context_processors.site",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------

DATABASES = {"default": database(env.secret("DATABASE_URL"), DATA_DIR, BASE_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis ------------------------------------------------------------------

# When unset, the Valkey that `manage.py serve` starts, on a socket that only its owner can open.
VALKEY_SOCKET = DATA_DIR / "valkey.sock"
REDIS_URL = env.secret("REDIS_URL") or socket_url(VALKEY_SOCKET)
REDIS_IS_EMBEDDED = not env.secret("REDIS_URL")
REDIS_IN_PROCESS = REDIS_URL == "memory://"
if not (REDIS_IS_EMBEDDED or REDIS_IN_PROCESS):
    check_redis_url(REDIS_URL)
# Sign-in sessions are in SQL: emptying Redis signs no one out.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CACHES = {
    "default": {
        "BACKEND": "chat.limits.counting_cache.CountingCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "chatsite",
        "OPTIONS": {"CONNECTION_FACTORY": "chat.redis_client.ConnectionFactory"},
    },
}
RATELIMIT_USE_CACHE = "default"

# --- OpenAI -----------------------------------------------------------------

use_certificates(env)
OPENAI_API_KEY = token("OPENAI_API_KEY", env.secret("OPENAI_API_KEY"))
OPENAI_BASE_URL = upstream_base_url(env.text("OPENAI_BASE_URL"))
# With neither there is no upstream, or the demo model on loopback.
OPENAI_PROXY = (
    proxy_for(OPENAI_BASE_URL or OPENAI_URL, env) if OPENAI_API_KEY or OPENAI_BASE_URL else ""
)
OPENAI_ORG_ID = header_value("OPENAI_ORG_ID", env.text("OPENAI_ORG_ID"))
OPENAI_PROJECT_ID = header_value("OPENAI_PROJECT_ID", env.text("OPENAI_PROJECT_ID"))
OPENAI_CUSTOM_HEADERS = header_lines("OPENAI_CUSTOM_HEADERS", env.secret("OPENAI_CUSTOM_HEADERS"))
OPENAI_MODEL = model_name("OPENAI_MODEL", env.text("OPENAI_MODEL", "gpt-4o-mini"))
UPSTREAM_FIRST_TOKEN_SECONDS = env.integer("UPSTREAM_FIRST_TOKEN_SECONDS", 60, minimum=1)
UPSTREAM_IDLE_SECONDS = env.integer("UPSTREAM_IDLE_SECONDS", 30, minimum=1)
UPSTREAM_RETRIES = env.integer("UPSTREAM_RETRIES", 3, maximum=20)

# --- Streaming and limits ---------------------------------------------------

RESUME_GRACE_SECONDS = env.integer("RESUME_GRACE_SECONDS", 20)
DRAIN_SECONDS = env.integer("DRAIN_SECONDS", 300)
LIMITS_WHEN_REDIS_DOWN = env.choice("LIMITS_WHEN_REDIS_DOWN", "refuse", ("refuse", "allow"))
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
METRICS_TOKEN = token("METRICS_TOKEN", env.secret("METRICS_TOKEN"))
# A prompt of 100,000 characters in the widest script is 400 kB; JSON escapes can make six bytes of
# one.
MAX_BODY_BYTES = 4 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# A quota may name ten thousand people, each a field of its form; the default of 1,000 would refuse
# to save it.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
# Larger bodies wait on the disk for their end: slow clients on many connections fill no memory.
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

# The proof of work of guests and sign-ups (chat.abuse.proof_of_work). Its key is derived, so that
# it needs no setting.
ALTCHA_HMAC_KEY = hmac.new(SECRET_KEY.encode(), b"chatsite.challenge", "sha256").hexdigest()
ALTCHA_CHALLENGE_EXPIRE = 20 * 60 * 1000  # milliseconds

# --- Accounts and cookies ---------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Browsers send cookies to all ports of a host: the names keep two sites apart.
SESSION_COOKIE_NAME = env.text("SESSION_COOKIE_NAME", name_for("sessionid", _site))
CSRF_COOKIE_NAME = env.text("CSRF_COOKIE_NAME", name_for("csrftoken", _site))
check_names(_site, SESSION_COOKIE_NAME=SESSION_COOKIE_NAME, CSRF_COOKIE_NAME=CSRF_COOKIE_NAME)
# In cookies, the messages of two sites on one host would mix.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "chat.views.errors.csrf_failure"
SECURE_HSTS_SECONDS = 31536000 if SITE_IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Mail -------------------------------------------------------------------

EMAIL_HOST = mail_host("EMAIL_HOST", env.text("EMAIL_HOST"))
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.console.EmailBackend"
)
EMAIL_PORT = env.integer("EMAIL_PORT", 25, minimum=1, maximum=65535)
# SMTP's AUTH, as Python speaks it, is ASCII.
EMAIL_HOST_USER = header_value("EMAIL_HOST_USER", env.text("EMAIL_HOST_USER"), "mail sign-in")
EMAIL_HOST_PASSWORD = header_value(
    "EMAIL_HOST_PASSWORD", env.secret("EMAIL_HOST_PASSWORD"), "mail sign-in"
)
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = sender(
    "DEFAULT_FROM_EMAIL", env.text("DEFAULT_FROM_EMAIL", f"chatsite@{mail_domain(_site.host)}")
)

# --- Language, time, static files -------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = env.zone("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
SERVESTATIC_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "servestatic.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# --- Logging ----------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", "text", ("text", "json"))
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "json": {"()": "chatsite.logs.JsonFormatter"},
    },
    "filters": {"client_faults": {"()": "chatsite.logs.ClientFaults"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["client_faults"],
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # At DEBUG these log whole requests, with prompts and keys.
        **{
            name: {"level": "WARNING"}
            for name in (
                "openai",
                "httpx",
                "httpx2",
                "httpcore2",
                "aiohttp",
                "markdown_it",
                "django.db.backends",
                "django.template",
            )
        },
        "asyncio": {"level": "INFO"},
        # It logs a traceback for each invalid sign-up form.
        "django_altcha": {"level": "CRITICAL"},
        # Django's own handlers are off, so that each record is written once, in the format above.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
