"""Pictures by iTerm2's inline protocol: a JPEG in one sequence, the smallest of all for photographs.

Source: https://iterm2.com/documentation-images.html
"""

from __future__ import annotations

import base64


def encode(jpeg: bytes, columns: int, rows: int) -> str:
    """Show a picture over `columns` x `rows` cells at the cursor."""
    text = base64.standard_b64encode(jpeg).decode("ascii")
    options = f"inline=1;size={len(jpeg)};width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1"
    return f"\x1b]1337;File={options}:{text}\x07"
