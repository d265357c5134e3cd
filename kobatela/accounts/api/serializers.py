"""What goes in and out of /users and /apikeys."""

from typing import Any

from rest_framework import serializers

from kobatela.accounts.models import ApiKey, Language, PublicTag, User
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.money import format_minor
from kobatela.rest.fields import FilterSerializer, IdField, MoneyField, StrictSerializer


class UserIn(StrictSerializer):
    """A user to be created."""

    username = serializers.CharField(max_length=100)
    email = serializers.EmailField(max_length=254)
    phone = serializers.CharField(max_length=30, required=False, allow_blank=True)
    language = serializers.ChoiceField(choices=list(Language), required=False)
    public_tag = serializers.ChoiceField(choices=list(PublicTag), required=False)
    managed_by = IdField(required=False, allow_null=True)


class UserChangesIn(UserIn):
    """What may be changed about a user; what is left out stays."""

    is_active = serializers.BooleanField()


class UserFilter(FilterSerializer):
    """The filters of GET /users."""

    public_tag = serializers.ChoiceField(choices=list(PublicTag), required=False)
    managed_by = IdField(required=False)
    is_active = serializers.BooleanField(required=False)


class UserOut(serializers.ModelSerializer[User]):
    """A user. `managed_by` is the id of the partner whose key acts for them too."""

    managed_by = serializers.IntegerField(source="managed_by_id", allow_null=True, read_only=True)

    class Meta:
        model = User
        fields = (
            "id",
            "username",
            "email",
            "phone",
            "language",
            "is_active",
            "public_tag",
            "managed_by",
            "stripe_account_id",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class ApiKeyIn(StrictSerializer):
    """A key to be issued."""

    name = serializers.CharField(max_length=100)
    scope = serializers.ChoiceField(choices=list(Scope))
    user_id = IdField(required=False, allow_null=True, default=None)
    days_valid = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    may_confirm_deposits = serializers.BooleanField(required=False)
    confirm_limit = serializers.DictField(
        child=MoneyField(minimum_minor=0), required=False, allow_null=True
    )
    reason = serializers.CharField(required=False, max_length=2000, allow_blank=True)
    allowed_ips = serializers.ListField(
        child=serializers.CharField(max_length=43), required=False, max_length=100
    )


class ApiKeyFilter(FilterSerializer):
    """The filters of GET /apikeys."""

    user_id = IdField(required=False)
    scope = serializers.ChoiceField(choices=list(Scope), required=False)


class ApiKeyOut(serializers.ModelSerializer[ApiKey]):
    """A key without its secret. `is_active` tells whether it opens now."""

    is_active = serializers.SerializerMethodField()
    confirm_limit = serializers.SerializerMethodField()

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "name",
            "scope",
            "user_id",
            "public_id",
            "is_active",
            "may_confirm_deposits",
            "confirm_limit",
            "allowed_ips",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        )
        read_only_fields = fields

    def get_is_active(self, key: ApiKey) -> bool:
        """Neither revoked nor expired, and of an active user or of nobody."""
        return key.is_live(clock.now()) and (key.user is None or key.user.is_active)

    def get_confirm_limit(self, key: ApiKey) -> dict[str, str] | None:
        """The key's own limits as decimal strings; null where the defaults hold."""
        if key.confirm_limit is None:
            return None
        return {
            currency: format_minor(amount_minor, currency)
            for currency, amount_minor in key.confirm_limit.items()
        }


class IssuedKeyOut(ApiKeyOut):
    """A key with its secret, which is shown this once."""

    key = serializers.SerializerMethodField()

    class Meta(ApiKeyOut.Meta):
        fields = (*ApiKeyOut.Meta.fields, "key")
        read_only_fields = fields

    def get_key(self, key: ApiKey) -> Any:
        """The secret, handed over in the context."""
        return self.context["secret"]
