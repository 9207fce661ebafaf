"""Links by which people may sign up."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.accounts.signed_links import invitation_url
from chat.models import Invitation, SitePolicy


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin[Invitation]):
    """Makes invitations and shows the link to hand on.

    Deleting one withdraws its link.
    """

    list_display = ("__str__", "created", "expires", "used", "used_by", "created_by")
    list_filter = ("expires", "used")
    list_select_related = ("used_by", "created_by")
    fields = ("note", "expires", "link", "used", "used_by")
    readonly_fields = ("link", "used", "used_by")

    @admin.display(description="link")
    def link(self, invitation: Invitation) -> SafeString | str:
        if invitation._state.adding:
            return "The link is shown here once the invitation is saved."
        if not Invitation.objects.usable().filter(pk=invitation.pk).exists():
            return "Used or expired."
        if SitePolicy.current().signup == SitePolicy.Signup.CLOSED:
            return "Sign-up is closed: set the site policy to “By invitation link” first."
        return format_html(
            '<input type="text" class="vLargeTextField" readonly value="{}"> It works once.',
            invitation_url(invitation),
        )

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, "The invitation is made. Copy the link below and hand it on.")
        return redirect(reverse("admin:chat_invitation_change", args=[obj.pk]))
