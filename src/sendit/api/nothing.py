"""What an address of the API that does not exist answers: as any other, it asks who is there.

Only then it says that there is nothing, so nobody learns without a login which addresses there are.
"""

from typing import Any, NoReturn  # Django REST framework's signature

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from sendit.api.errors import NOT_THERE


@extend_schema(exclude=True)
class NothingThere(APIView):
    """Every address that no other view has."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        """Look who asks, then say that there is nothing."""
        super().initial(request, *args, **kwargs)
        raise NotFound(NOT_THERE)
