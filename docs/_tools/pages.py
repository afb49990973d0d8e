"""Pages that are made from the code and from the files of examples, so that neither is written twice."""

from pathlib import Path

import api_pages
import command_pages
import copied_pages
import list_pages


def write_pages(folder: Path, root: Path) -> None:
    """Writes the generated pages. One whose text is unchanged is left alone, so that Sphinx does not read it again.

    Args:
        folder: Folder of the pages.
        root: Folder of the repository.
    """
    pages = {**api_pages.pages(), **command_pages.pages(), **list_pages.pages(), **copied_pages.pages(root)}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text if isinstance(text, bytes) else text.encode()
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in pages:
            path.unlink()
