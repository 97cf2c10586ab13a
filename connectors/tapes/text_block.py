"""The text of a file in blocks of memory, from which pages are cut.

    block   |piece          |piece          |piece  ..
            |line |line |line |line |start of a li|zeros
                  ^ cursor          ^ lines_end   ^ filled_end

A block is read piece by piece, so that the lines of a piece are found while it is in the cache.
Nothing more is read into a block once a page is cut from it: what is left moves to another block.
"""

import numpy as np

from tapeflow.connectors.tapes.blocks import BLOCK_BYTES, lend_block
from tapeflow.connectors.tapes.text_file import TextFile, after_last_line
from tapeflow.schemas.batches import PADDING
from tapeflow.schemas.columns import Bytes

PIECE_BYTES = 1 << 18  # read at a time: it stays in the second cache of a core
NEWLINE = 10


class TextBlock:
    """A part of a file's text: lines to be read, and the start of one more."""

    def __init__(self, text: TextFile) -> None:
        """Begin where `text` does, with nothing read."""
        self.text = text
        self.at_end = False  # of the text
        self.is_short = False  # the last piece: what follows is not there yet
        self.has_page = False  # a page was cut from the block
        self.is_rest = True  # `data` is what another block left: more is read before a page is cut
        self.data: Bytes = np.empty(0, np.uint8)
        self.cursor = self.lines_end = self.filled_end = 0

    def has_lines(self) -> bool:
        """Return whether a page can be cut."""
        return self.cursor < self.lines_end and (self.at_end or not self.is_rest)

    def fill(self) -> None:
        """Read a piece behind what is left."""
        if self.is_rest or self.has_page or not self._has_room():
            left = self.filled_end - self.cursor
            block = lend_block(max(BLOCK_BYTES, 2 * (left + PIECE_BYTES)))  # for a long line more
            self._move_to(block)
            self.is_rest = False
        self._read_piece()

    def extend(self) -> bool:
        """Read one more piece for the page that is being cut; return whether it has lines."""
        before = self.lines_end
        if self._has_room() and not (self.has_page or self.is_rest or self.at_end or self.is_short):
            self._read_piece()
        return self.lines_end > before

    def cut_page(self, end: int) -> Bytes:
        """Return the data of the page that ends here, read-only, and go on behind it."""
        data = self.data[: self.filled_end + PADDING]
        data.flags.writeable = False  # like pages of Kafka: one array type for compiled code
        page_bytes, left = end - self.cursor, self.filled_end - end
        self.cursor, self.has_page = end, True
        if left <= page_bytes and not self.at_end:  # of small pages many are cut from one block
            self._move_to(np.empty(left, np.uint8))
            self.is_rest = True  # and the block is free as soon as the page is gone
        return data

    def _move_to(self, block: Bytes) -> None:
        """Move what is left to the beginning of another block."""
        left = self.filled_end - self.cursor
        block[:left] = self.data[self.cursor : self.filled_end]
        self.data, self.filled_end, self.has_page = block, left, False
        self.lines_end, self.cursor = self.lines_end - self.cursor, 0

    def _has_room(self) -> bool:
        return self.filled_end + PIECE_BYTES + PADDING < len(self.data)

    def _read_piece(self) -> None:
        """Read a piece behind what is there, and find where its last whole line ends."""
        begin, data = self.filled_end, self.data
        count = self.text.readinto(data.data[begin : begin + PIECE_BYTES])
        self.at_end, self.is_short = not count, count < PIECE_BYTES
        if self.at_end and begin > self.lines_end and not self.text.damage:
            data[begin], count = NEWLINE, 1  # which the last line lacks
        self.filled_end = end = begin + count
        data[end : end + PADDING] = 0
        if after := after_last_line(data[begin:end]):
            self.lines_end = begin + after
