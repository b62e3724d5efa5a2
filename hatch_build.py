"""What a wheel says about where it comes from: its links, and a README whose links work away from the repository.

Wherever a package is shown, an index for one, the README's `docs/...` lead nowhere. A build that is meant for others says
where the sources are, as `PYVENTUS_REPOSITORY` (the address, without a slash at its end) and `PYVENTUS_REF` (a tag): the
release workflow does. Any other build, of a checkout for example, has no address to give and gives none.
"""

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

PLACEHOLDER = "https://host/path/to/pyventus-typed"  # what pages show for the address of the repository
PICTURE = re.compile(r"(!\[[^\]]*\]\()(?![a-z]+:|#)([^)]+)\)")
LINK = re.compile(r"((?<!!)\[[^\]]*\]\()(?![a-z]+:|#)([^)]+)\)")


def with_absolute_links(readme: str, repository: str, ref: str) -> str:
    """*readme*, with each link to a file of the repository as an address of it at *ref*, and the address for a clone."""
    readme = readme.replace(PLACEHOLDER, repository)
    pictures = PICTURE.sub(rf"\g<1>{repository}/raw/{ref}/\g<2>)", readme)
    return LINK.sub(rf"\g<1>{repository}/blob/{ref}/\g<2>)", pictures)


class CustomMetadataHook(MetadataHookInterface):
    """Called by hatchling."""

    def update(self, metadata: dict[str, object]) -> None:  # type: ignore[explicit-override]  # a build has no typing_extensions
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository, ref = os.environ.get("PYVENTUS_REPOSITORY"), os.environ.get("PYVENTUS_REF", "HEAD")
        metadata["urls"] = {}
        if repository:
            readme = with_absolute_links(readme, repository, ref)
            metadata["urls"] = {
                "Documentation": f"{repository}/blob/{ref}/docs/index.md",
                "Source": repository,
                "Issues": f"{repository}/issues",
                "Changelog": f"{repository}/blob/{ref}/CHANGELOG.md",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
