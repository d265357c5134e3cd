"""/spend/categories, /spend/merchants and /spend/allow: what support keeps."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kobatela.kernel.caller import Scope
from kobatela.rest.viewsets import KobatelaViewSet
from spend import selectors
from spend.api import bodies
from spend.api.base import EVERYONE, STAFF, SpendBase
from spend.api.catalogue_serializers import (
    CategoryChangesIn,
    CategoryFilter,
    CategoryIn,
    CategoryOut,
    MerchantChangesIn,
    MerchantFilter,
    MerchantIn,
    MerchantOut,
    UsageFilter,
    UsageGivenOut,
    UsageIn,
    UsageOut,
)
from spend.services import catalogue, permissions


class CategoryViewSet(KobatelaViewSet):
    """/spend/categories."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": STAFF,
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "partial_update": STAFF,
    }

    @extend_schema(request=CategoryIn, responses={201: CategoryOut})
    def create(self, request: Request) -> Response:
        """Add a category."""
        category = catalogue.create_category(caller=self.caller, **self.valid(CategoryIn))
        return Response(CategoryOut(category).data, status=201)

    @extend_schema(parameters=[CategoryFilter], responses=CategoryOut(many=True))
    def list(self, request: Request) -> Response:
        """The categories, newest first."""
        return self.page(selectors.find_categories(**self.filters(CategoryFilter)), CategoryOut)

    @extend_schema(responses=CategoryOut)
    def retrieve(self, request: Request, category_id: int) -> Response:
        """One category."""
        return Response(CategoryOut(selectors.get_category(category_id)).data)

    @extend_schema(request=CategoryChangesIn(partial=True), responses=CategoryOut)
    def partial_update(self, request: Request, category_id: int) -> Response:
        """Change the label, deactivate or reactivate."""
        category = catalogue.update_category(
            caller=self.caller,
            category_id=category_id,
            changes=self.valid(CategoryChangesIn, partial=True),
        )
        return Response(CategoryOut(category).data)


class MerchantViewSet(SpendBase):
    """/spend/merchants."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": STAFF,
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "partial_update": STAFF,
    }

    @extend_schema(request=MerchantIn, responses={201: MerchantOut})
    def create(self, request: Request) -> Response:
        """Add a merchant."""
        body = self.valid(MerchantIn)
        where = bodies.destination(body.pop("destination", None))
        merchant = catalogue.create_merchant(caller=self.caller, destination=where, **body)
        return Response(self.shown(MerchantOut, merchant, self.accounts), status=201)

    @extend_schema(parameters=[MerchantFilter], responses=MerchantOut(many=True))
    def list(self, request: Request) -> Response:
        """The merchants, newest first."""
        found = selectors.find_merchants(**self.filters(MerchantFilter))
        return self.listed(found, MerchantOut, self.accounts)

    @extend_schema(responses=MerchantOut)
    def retrieve(self, request: Request, merchant_id: int) -> Response:
        """One merchant."""
        merchant = selectors.get_merchant(merchant_id)
        return Response(self.shown(MerchantOut, merchant, self.accounts))

    @extend_schema(request=MerchantChangesIn(partial=True), responses=MerchantOut)
    def partial_update(self, request: Request, merchant_id: int) -> Response:
        """Change a merchant, or where they are paid; deactivate or reactivate."""
        body = self.valid(MerchantChangesIn, partial=True)
        where = bodies.destination(body.pop("destination", None))
        merchant = catalogue.update_merchant(
            caller=self.caller, merchant_id=merchant_id, changes=body, destination=where
        )
        return Response(self.shown(MerchantOut, merchant, self.accounts))


class UsageViewSet(KobatelaViewSet):
    """/spend/allow."""

    scopes: ClassVar[Mapping[str, frozenset[Scope]]] = {
        "create": STAFF,
        "list": EVERYONE,
        "destroy": STAFF,
    }

    @extend_schema(request=UsageIn, responses={201: UsageGivenOut})
    def create(self, request: Request) -> Response:
        """Let somebody buy from a merchant or in a category."""
        body = self.valid(UsageIn)
        given = permissions.allow_usage(
            caller=self.caller,
            owner_id=body["owner_id"],
            merchant_id=body.get("merchant_id"),
            category_id=body.get("category_id"),
        )
        context = {"status": "added" if given.is_new else "exists"}
        return Response(UsageGivenOut(given.usage, context=context).data, status=201)

    @extend_schema(parameters=[UsageFilter], responses=UsageOut(many=True))
    def list(self, request: Request) -> Response:
        """The permissions that the caller may see, newest first."""
        found = selectors.find_usages(self.caller, **self.filters(UsageFilter))
        return self.page(found, UsageOut)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, usage_id: int) -> Response:
        """Take a permission back."""
        permissions.take_back_usage(caller=self.caller, usage_id=usage_id)
        return Response(status=204)
