"""Some components are tested as a page shows them."""

from tests.pages.conftest import no_search_for_packages  # noqa: F401
