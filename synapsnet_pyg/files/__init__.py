"""Files: written completely or not at all, their names, and the memory that they need."""

from synapsnet_pyg.files.memory import free_memory, keep_freed_memory, release_memory, require_memory
from synapsnet_pyg.files.names import (
    file_name,
    label_name,
    require_distinct,
    session_folder,
    shorten,
    typed_path,
    visible,
)
from synapsnet_pyg.files.packages import optional_import
from synapsnet_pyg.files.settings import Json, first_difference
from synapsnet_pyg.files.texts import plain, say
from synapsnet_pyg.files.writing import (
    atomic_path,
    atomic_stream,
    hidden_folder,
    is_full,
    make_folder,
    require_disk_space,
    sweep,
)

__all__ = [
    "Json",
    "atomic_path",
    "atomic_stream",
    "file_name",
    "first_difference",
    "free_memory",
    "hidden_folder",
    "is_full",
    "keep_freed_memory",
    "label_name",
    "make_folder",
    "optional_import",
    "plain",
    "release_memory",
    "require_disk_space",
    "require_distinct",
    "require_memory",
    "say",
    "session_folder",
    "shorten",
    "sweep",
    "typed_path",
    "visible",
]
