"""The console's admin site."""

from django.contrib import admin


class ConsoleSite(admin.AdminSite):
    """What support opens on a Monday morning."""

    site_title = "Kobatela console"
    site_header = "Kobatela"
    index_title = "What waits for a person"
    enable_nav_sidebar = True
