"""A kind of import contract: some modules may import nothing but what is listed."""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowList(Contract):
    """Modules whose name begins with ``prefix`` import only each other and what is ``allowed``.

    Unlike a list of what is forbidden, it also covers modules that are added later.  The
    standard library is always allowed.
    """

    type_name = "allow_list"

    prefix = fields.StringField()
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import of the modules with the list."""
        prefix = str(self.prefix)
        listed: Any = self.allowed  # the field's own type says nothing of what it gives
        allowed = {*listed, *sys.stdlib_module_names}
        breaches = sorted(
            (importer, imported)
            for importer in graph.modules
            if importer.startswith(prefix)
            for imported in graph.find_modules_directly_imported_by(importer)
            if not imported.startswith(prefix) and imported not in allowed
        )
        return ContractCheck(kept=not breaches, metadata={"breaches": breaches})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name every import that is not on the list."""
        for importer, imported in check.metadata["breaches"]:
            output.print_error(f"{importer} may not import {imported}", bold=False)
