"""What the site knows of people and groups: Django's own user, and a named group."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class Group(AbstractSCIMGroupMixin):
    """A group; its members are `user_set`."""

    name = models.CharField(max_length=150, unique=True)


class User(AbstractSCIMUserMixin, AbstractUser):
    """A person, in whatever groups."""

    scim_groups = models.ManyToManyField(Group)
