"""The forms that make accounts and send reset mails; all others are Django's own."""

import threading
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm, UserCreationForm, UsernameField
from django.contrib.auth.models import User
from django_altcha import AltchaField

from chat.abuse import proof_of_work
from chat.errors import ChallengeRequired


class SignUpForm(UserCreationForm[User]):
    """Makes an account.

    The mail address is optional, and several accounts may have the same one, so the form does not
    tell whether an account has it.
    """

    email = forms.EmailField(
        required=False, help_text="Optional. Used only to reset a forgotten password."
    )

    class Meta:
        model = User
        fields = ("username", "email")
        field_classes = {"username": UsernameField}


class ChallengeField(AltchaField):
    """Takes a solution of the challenge. Raises LimitsUnavailable as `proof_of_work.use` does."""

    def replay_attack_protection(self, payload: str) -> None:
        # The package's own method reads and then writes: several at once would all pass.
        try:
            proof_of_work.use(payload)
        except ChallengeRequired as refusal:
            raise forms.ValidationError(refusal.message, code="invalid") from None


class ChallengeForm(forms.Form):
    """Stands beside a form for everyone, and is checked before it."""

    altcha = ChallengeField(
        error_messages={
            "required": "A short check of your browser must come first. Send it again.",
            "invalid": "The check of your browser is not valid.",
        }
    )


class FirstAdminForm(SignUpForm):
    """Makes the account that may do everything."""

    def save(self, commit: bool = True) -> User:
        self.instance.is_staff = self.instance.is_superuser = True
        return super().save(commit)


class ResetForm(PasswordResetForm):
    """Sends reset links, in a thread of its own.

    The links come from SITE_URL, because the Host header is the client's claim.
    """

    def save(self, *args: Any, **options: Any) -> None:
        options |= {
            "domain_override": urlsplit(settings.SITE_URL).netloc,
            "use_https": settings.SITE_IS_HTTPS,
        }
        super().save(*args, **options)

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        # The second that SMTP takes would tell whether the address has an account.
        threading.Thread(
            target=super().send_mail, args=args, kwargs=kwargs, name="reset-mail"
        ).start()
