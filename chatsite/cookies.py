"""The names of the site's cookies: browsers send cookies to all ports of a host."""

import re

from django.core.exceptions import ImproperlyConfigured

from chatsite.addresses import Origin

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265, section 4.1.1: a token


def name_for(name: str, site: Origin) -> str:
    """Returns the name of a cookie: Django's where the site has the scheme's usual port.

    For other ports the name contains the port, so that two sites on one host have two cookies.
    """
    return name if site.has_usual_port else f"{name}_{site.port}"


def check_names(site: Origin, **names: str) -> None:
    """Raises ImproperlyConfigured for a name that browsers would not keep.

    Raises it also for one name given twice.
    """
    for setting, name in names.items():
        if not _NAME.fullmatch(name):
            raise ImproperlyConfigured(
                f"{setting}={name} is not valid: it takes letters, digits, - and _."
            )
        if name.lower().startswith(("__host-", "__secure-")) and site.scheme != "https":
            raise ImproperlyConfigured(
                f"{setting}={name} is not valid: browsers keep such a name for https only, and"
                " SITE_URL is not."
            )
    if len(set(names.values())) < len(names):
        raise ImproperlyConfigured(f"{' and '.join(names)} are the same name; give each its own.")
