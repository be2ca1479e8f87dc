"""The SCIM service stands below /scim/v2/, as django-scim2's own guide has it."""

from django.urls import include, path

urlpatterns = [path("scim/v2/", include("django_scim.urls", namespace="scim"))]
