"""A Django site with django-scim2: a target that keeps little and can do little, as many real ones."""
