# Generated from ``aio`` by ``tools/make_sync.py``; do not edit.
"""The edits of a session. Each can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._ports import SyncPort
from .._sources import plain
from ..results import Affected, affected_of


class SessionEdits:
    """The part of a session that changes its objects."""

    def __init__(self, port: SyncPort, id: str) -> None:
        self._port = port
        self.id = id

    def _ask(self, type: str, **fields: Any) -> dict[str, Any]:
        given = {name: plain(value) for name, value in fields.items() if value is not None}
        return self._port.ask({"type": type, "session_id": self.id, **given})

    def _edit(self, type: str, **fields: Any) -> list[Affected]:
        return affected_of(self._ask(type, **fields))

    def remove_object(self, obj_id: int) -> list[Affected]:
        """Removes an object from every frame."""
        return self._edit("remove_object", obj_id=obj_id)

    def undo(self) -> dict[str, Any]:
        """Takes back the last edit. Returns ``edit``, ``affected``, ``can_undo`` and ``can_redo``."""
        return self._ask("undo")

    def redo(self) -> dict[str, Any]:
        """Carries out again the edit that was undone last."""
        return self._ask("redo")

    def lock_frames(self, first: int, last: int, *, obj_id: int | None = None, locked: bool = True) -> list[Affected]:
        """Keeps the stored masks of the frames ``first`` to ``last`` as they are, or unlocks them.

        Without ``obj_id``: those of every object.
        """
        return self._edit("lock_frames", first_frame_index=first, last_frame_index=last, obj_id=obj_id, locked=locked)

    def mark_absent(self, obj_id: int, first: int, last: int, *, absent: bool = True) -> list[Affected]:
        """Marks an object absent on the frames ``first`` to ``last``, or ends that."""
        return self._edit("mark_absent", obj_id=obj_id, first_frame_index=first, last_frame_index=last, absent=absent)

    def merge_objects(self, obj_id: int, other_obj_ids: Sequence[int]) -> list[Affected]:
        """Makes other objects a part of an object."""
        return self._edit("merge_objects", obj_id=obj_id, other_obj_ids=list(other_obj_ids))

    def split_object(self, obj_id: int, frame_index: int, *, new_obj_id: int | None = None) -> int:
        """Makes an object another one from a frame on. Returns the id of the new object."""
        answer = self._ask("split_object", obj_id=obj_id, frame_index=frame_index, new_obj_id=new_obj_id)
        return int(answer["new_obj_id"])

    def swap_objects(self, obj_id: int, other_obj_id: int, frame_index: int) -> list[Affected]:
        """Exchanges the identities of two objects from a frame on."""
        return self._edit("swap_objects", obj_id=obj_id, other_obj_id=other_obj_id, frame_index=frame_index)

    def rename(self, name: str | None, *, obj_id: int | None = None, concept: str | None = None) -> list[Affected]:
        """Names an object or a concept; None removes the name."""
        return self._edit("rename", obj_id=obj_id, concept=concept, name=name)

    def remove_concept(self, concept: str) -> list[Affected]:
        """Removes a concept and the objects that it detected."""
        return self._edit("remove_concept", concept=concept)
