"""Read the file of site rules in whichever of the two languages it is written."""

from sendit.deid.recipe_text import read_recipe_text
from sendit.deid.recipe_toml import read_recipe_toml
from sendit.deid.site_rules import SiteRules


def read_site_rules(text: str, *, name: str) -> SiteRules:
    """Return the rules in a file of this name: TOML if it ends so, else the deid format.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every problem, one a line, as ``NAME:LINE: problem``.
    """
    if name.casefold().endswith(".toml"):
        return read_recipe_toml(text, name=name)
    return read_recipe_text(text, name=name)
