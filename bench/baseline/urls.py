"""The address of the view, and one that says that the server is up."""

from django.urls import path

from bench.baseline.views import chat, healthz

urlpatterns = [path("healthz", healthz), path("api/chat", chat)]
