"""The addresses of the site; docs/protocol.md describes those that programs use."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from chat.views import (
    account,
    answer_streams,
    challenge,
    health,
    limits,
    noscript,
    own_conversations,
    pages,
    probe,
    turns,
    usage,
)

urlpatterns = [
    path("", pages.home, name="home"),
    path("c/<uuid:conversation_id>/", pages.conversation, name="conversation"),
    path("c/<uuid:conversation_id>/rename/", pages.rename, name="conversation_rename"),
    path("c/<uuid:conversation_id>/delete/", pages.delete, name="conversation_delete"),
    path("c/<uuid:conversation_id>/answers/<uuid:answer_id>/", noscript.answer, name="answer"),
    path("api/chat", turns.chat, name="api_chat"),
    path("api/answers/streams", answer_streams.streams, name="api_answer_streams"),
    path("api/answers/<uuid:answer_id>/stream", turns.answer_stream, name="api_answer_stream"),
    path("api/answers/<uuid:answer_id>/stop", turns.answer_stop, name="api_answer_stop"),
    path("api/challenge", challenge.new, name="api_challenge"),
    path("api/limits", limits.limits, name="api_limits"),
    path("api/probe", probe.stream, name="api_probe"),
    path("c/<uuid:conversation_id>/export.md", own_conversations.export_md, name="export_md"),
    path("c/<uuid:conversation_id>/export.json", own_conversations.export_json, name="export_json"),
    path("search/", own_conversations.search, name="search"),
    path("usage/", usage.usage, name="usage"),
    path("accounts/login/", account.SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/signup/", account.sign_up, name="signup"),
    path("accounts/password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path(
        "accounts/password/done/",
        auth.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    path("accounts/reset/", account.PasswordReset.as_view(), name="password_reset"),
    path("accounts/reset/sent/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "accounts/reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "accounts/reset/done/",
        auth.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
    path("setup/<str:token>/", account.setup, name="setup"),
    path("admin/login/", account.admin_sign_in),
    path("admin/", admin.site.urls),
    path("favicon.ico", health.favicon),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = "chat.views.errors.bad_request"
handler403 = "chat.views.errors.permission_denied"
handler404 = "chat.views.errors.not_found"
handler500 = "chat.views.errors.server_error"
