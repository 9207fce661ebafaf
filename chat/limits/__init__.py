"""The limits of people and of the site. Only this package imports django_ratelimit."""
