"""Accounts: sign in and out, sign up, the first admin, password change and reset.

Uses Django's views where there are any, and adds limits.
"""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat.abuse import signin
from chat.accounts.forms import ChallengeForm, FirstAdminForm, ResetForm, SignUpForm
from chat.accounts.signed_links import invitation_of, setup_is_open
from chat.errors import RateLimited, Refusal
from chat.formatting import span
from chat.models import Invitation, SitePolicy
from chat.views.api import address_of, set_retry_after

# It grows when it is quoted once more in the address of the sign-in page, and Django makes no
# redirect to more than 2,048 characters.
_MAX_NEXT_BYTES = 600


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Returns the refusal as a page that says when to try again."""
    limited = isinstance(refusal, RateLimited)
    title = "Too many attempts" if limited else "Not possible right now"
    text = (
        f"{refusal.message} Try again in {span(refusal.retry_after)}."
        if limited and refusal.retry_after
        else refusal.message
    )
    response = render(request, "error.html", {"title": title, "text": text}, status=refusal.status)
    set_retry_after(response, refusal)
    return response


class RefusalPageMixin:
    """Turns a Refusal raised anywhere in a class-based view into its page."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]
        except Refusal as refusal:
            return refusal_page(request, refusal)


class SignIn(RefusalPageMixin, auth.LoginView):
    """Signs a person in; only failures count for the limit.

    Django rotates the session's key and follows `next` on this host only.
    """

    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        """Returns where `next` leads, or the chat if it leads back here.

        Django takes such a loop for a fault of the site.
        """
        target = super().get_success_url()
        return (
            self.get_default_redirect_url()
            if urlsplit(target).path == self.request.path
            else target
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Adds `no_account_yet`, for the operator who has just installed the site.

        They come here, and cannot sign in.
        """
        return super().get_context_data(**kwargs) | {"no_account_yet": not User.objects.exists()}

    @property
    def username(self) -> str:
        return self.request.POST.get("username", "")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        signin.check_sign_in(address_of(request), self.username)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        signin.check_sign_in(address_of(self.request), self.username)
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        signin.count_failed_sign_in(address_of(self.request), self.username)
        return super().form_invalid(form)


class PasswordReset(RefusalPageMixin, auth.PasswordResetView):
    """Says the same and takes the same time whether or not an account has the address."""

    form_class = ResetForm

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        signin.count_password_reset(address_of(self.request), form.cleaned_data["email"])
        return super().form_valid(form)


@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Stands in place of the admin's own sign-in page, which no limit guards."""
    target = request.GET.get("next", "")
    if not _is_path_here(request, target):
        target = reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target)
    if not request.user.is_staff:
        raise PermissionDenied
    # Not redirect(): that takes a word for the name of a view.
    return HttpResponseRedirect(target)


def _is_path_here(request: HttpRequest, target: str) -> bool:
    """Tells whether `target` is an absolute path of this host, short enough for a redirect."""
    if not target.startswith("/") or len(iri_to_uri(target)) > _MAX_NEXT_BYTES:
        return False
    return url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


# --- New accounts -----------------------------------------------------------


class LinkUsed(Exception):
    """Says that a link which makes an account was used already, or someone else was first."""


def _closed(request: HttpRequest, title: str, text: str, status: int = 403) -> HttpResponse:
    return render(request, "error.html", {"title": title, "text": text}, status=status)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Makes an account for a person whom the site's policy lets in.

    It lets in no one, those with an unused invitation (`?invite=`), or everyone.
    """
    if request.user.is_authenticated:
        return redirect("/")
    policy = SitePolicy.current().signup
    if policy == SitePolicy.Signup.CLOSED:
        return _closed(request, "Sign-up is closed", "Ask whoever runs this site for an account.")
    invitation = invitation_of(request.GET.get("invite", ""))
    if policy == SitePolicy.Signup.INVITE and invitation is None:
        return _closed(
            request,
            "You need an invitation",
            "This link is not valid, has expired or was used. Ask for a new one.",
        )
    if request.method != "POST":
        return render(request, "account/signup.html", {"form": SignUpForm()})
    try:
        proof = ChallengeForm(request.POST)
        if not proof.is_valid():
            return _unproven(request, proof)
        signin.count_sign_up(address_of(request))
        return _sign_up(request, SignUpForm(request.POST), invitation)
    except Refusal as refusal:
        return refusal_page(request, refusal)
    except LinkUsed:
        return _closed(
            request,
            "You need an invitation",
            "This invitation has just been used. Ask for a new one.",
        )


def _unproven(request: HttpRequest, proof: ChallengeForm) -> HttpResponse:
    """Shows the form again with what was typed, but for the passwords.

    The fields are not checked, so that a script learns nothing.
    """
    typed = {name: request.POST.get(name, "") for name in ("username", "email")}
    return render(
        request,
        "account/signup.html",
        {"form": SignUpForm(initial=typed), "proof": proof},
        status=403,
    )


def _sign_up(request: HttpRequest, form: SignUpForm, invitation: Invitation | None) -> HttpResponse:
    if form.is_valid() and (user := _join(form, invitation)):
        login(request, user)
        return redirect("/")
    return render(request, "account/signup.html", {"form": form})


def _join(form: SignUpForm, invitation: Invitation | None) -> User | None:
    """Makes the account and uses up the invitation, both or neither.

    Returns None, with the form saying so, when the name was taken meanwhile. Raises LinkUsed when
    the invitation was.
    """
    try:
        with transaction.atomic():
            if invitation and not Invitation.objects.usable().filter(pk=invitation.pk).update(
                used=timezone.now()
            ):
                raise LinkUsed
            user = form.save()
            if invitation:
                Invitation.objects.filter(pk=invitation.pk).update(used_by=user)
            return user
    except IntegrityError:
        form.add_error("username", "A user with that username already exists.")
        return None


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Makes the first admin, with the link that the site prints while it has no account."""
    form = FirstAdminForm(request.POST or None)
    try:
        if not setup_is_open(token):
            raise LinkUsed
        if request.method == "POST" and form.is_valid():
            login(request, _first_admin(form))
            return redirect("/")
    except LinkUsed:
        text = (
            "It works once, for a day. A site without an account prints a new one whenever it"
            " starts."
        )
        return _closed(request, "This set-up link is no longer valid", text, status=404)
    return render(request, "account/setup.html", {"form": form})


def _first_admin(form: FirstAdminForm) -> User:
    """Makes the account; raises LinkUsed for all but the first of several at once."""
    with transaction.atomic():
        # The others wait until the account can be seen.
        SitePolicy.lock()
        if User.objects.exists():
            raise LinkUsed
        return form.save()
