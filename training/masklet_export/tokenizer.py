"""The pack's tokenizer: the checkpoint's tokenizer with its padding token included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checkpoint import read_json


def pack_tokenizer(file: Path) -> bytes:
    """Reads a `tokenizer.json` and, if present, the `tokenizer_config.json` next to it.

    Checkpoints specify the padding token in the second file, which packs do not contain.

    :return: content of the pack's tokenizer file
    :raises ExportError: if a file cannot be read
    """
    tokenizer = read_json(file) or {}
    named = (read_json(file.with_name("tokenizer_config.json")) or {}).get("pad_token")
    token = named.get("content") if isinstance(named, dict) else named
    number = _number(tokenizer, token)
    if number is None or tokenizer.get("padding"):
        return file.read_bytes()
    tokenizer["padding"] = {
        "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": number, "pad_type_id": 0, "pad_token": token,
    }  # fmt: skip
    return json.dumps(tokenizer, ensure_ascii=False).encode()


def _number(tokenizer: dict[str, Any], token: str | None) -> int | None:
    added = {entry["content"]: entry["id"] for entry in tokenizer.get("added_tokens") or []}
    return added.get(token, (tokenizer.get("model", {}).get("vocab") or {}).get(token))
