"""The names of the site's cookies: browsers tell sites on one host apart by name only, whatever
their ports.
"""

import re

from django.core.exceptions import ImproperlyConfigured

from chatsite.addresses import Origin

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265, section 4.1.1: a token


def name_for(name: str, site: Origin) -> str:
    """Returns Django's name of a cookie where the site has the scheme's own port.

    Elsewhere the name has the port in it, so that two sites are two.
    """
    return name if site.has_usual_port else f"{name}_{site.port}"


def check_names(site: Origin, **names: str) -> None:
    """Raises ImproperlyConfigured for a setting whose value browsers would not keep as a cookie's
    name, or for one name given twice.
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
