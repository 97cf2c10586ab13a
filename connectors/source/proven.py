"""A reader that resumes only in the log that it has read: its position proves what was there.

    open at    origin                     position
               |-- read again, compared --|-- delivered ------

What proves a position is in proof.py. Records that Kafka's retention has deleted since prove
nothing: that is said, and the next record, which is there, is read.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tapeflow.connectors.source.proof import Hash, Proof, Trail
from tapeflow.connectors.source.reader import Reader, extent_of
from tapeflow.schemas.batches import Page, slice_page
from tapeflow.schemas.errors import RecordsDeletedError, TapeflowError
from tapeflow.schemas.notify import Notify

TOPIC = "a topic"  # a form of storage; the errors of such a reader say what to do


class Position(NamedTuple):
    """Where to resume; a state has it as a plain tuple."""

    form: str  # of the storage: a position in one means nothing in another
    next_offset: int  # number of the next record
    log_ns: int  # log time reached
    resume: Any  # the reader's position at the next record
    origin: Any  # the reader's position before the records that have hashes
    hashes: tuple[Hash, ...]  # of the last records before the next one


class ProvenReader:
    """Gives the pages of another reader, from a position that it proves first."""

    def __init__(
        self,
        open_reader: Callable[[Any, Any], Reader],
        form: str,
        position: Any,
        notify: Notify,
    ) -> None:
        """Open at `position`, or at the beginning, a log whose storage is of a `form`.

        `open_reader` takes where to begin, and a position up to which the log must go.
        Raises TapeflowError for a position in another form of storage.
        """
        self.form, self.open_reader, self.notify = form, open_reader, notify
        self.position_given = position
        self.trail = Trail()
        self.newest: Page | None = None  # the last one that was delivered
        self.held: Page | None = None  # read while the position was proven
        self.proof: Proof | None = None
        if position is None:
            self.reader = open_reader(None, None)
            return
        self.start = Position(*position)
        if self.start.form != form:
            raise TapeflowError(
                f"the state has read this partition from {self.start.form}, and it is {form} now: "
                "go back to that, or start with a fresh --state"
            )
        self.proof = Proof(self.start.next_offset, self.start.hashes)
        self.reader = open_reader(self.start.origin, self.start.resume)

    def __str__(self) -> str:
        return str(self.reader)

    @property
    def ended(self) -> bool:
        """Whether no record will ever come after those read."""
        return self.reader.ended and self.held is None and self.proof is None

    def read(self) -> Page | None:
        """Return the next records, or None if there are none now.

        Raises TapeflowError where those before the position are others than were read.
        """
        if self.proof is not None:
            self._prove(self.proof)
            if self.proof is not None:
                return None
        page, self.held = self.held, None
        if page is None:
            origin = self.reader.position()
            if (page := self.reader.read()) is None:
                return None
            self.trail.add(page, origin)
        self.newest = page
        return page

    def position(self) -> Any:
        """Return where to resume, as a plain tuple: see Position."""
        if self.newest is None:
            return self.position_given
        last = self.form, self.newest.next_offset, int(self.newest.log_ns[-1])
        proof = self.trail.origin(), self.trail.hashes()
        return tuple(Position(*last, self.reader.position(), *proof))

    def prove(self) -> bool:
        """Prove a position at the end of a log; return whether that is done.

        Notifies where the log has grown. Raises TapeflowError where it is another one.
        """
        if self.proof is not None:
            self._prove(self.proof)
        if self.proof is not None:
            return False
        if self.held is not None or self.reader.read() is not None or not self.reader.ended:
            self.notify(
                f"{self.reader} has grown since the state has read it to its end: what was added "
                "needs a fresh --state"
            )
        return True

    def extent(self) -> tuple[int, int]:
        """Return how much of the partition is read, and how much there is."""
        return extent_of(self.reader)

    def close(self) -> None:
        """Close the reader."""
        self.reader.close()

    def _prove(self, proof: Proof) -> None:
        """Read the records before the position again, as far as they come now."""
        while self.proof is not None:
            origin = self.reader.position()
            if (page := self._read_again(proof)) is None:
                return
            known = min(max(proof.next_offset - page.first_offset, 0), len(page.log_ns))
            past, rest = slice_page(page, slice(None, known)), slice_page(page, slice(known, None))
            proof.check(past, str(self.reader))
            if known:
                self.trail.add(past, origin)
            if page.next_offset < proof.next_offset:
                continue
            self.proof = None
            if proof.hashes:
                self._notify_or_raise(proof)
            if not known or past.log_ns[-1] != self.start.log_ns:
                self._reopen()  # its last record had no successor then: see log_times.py
            elif len(rest.log_ns):
                self.trail.add(rest, origin)
                self.held = rest

    def _read_again(self, proof: Proof) -> Page | None:
        """Return the next page of records before the position, or None if there are none now."""
        try:
            page = self.reader.read()
        except RecordsDeletedError:
            if self.start.resume == self.start.origin:
                raise
            self.notify(
                f"{self.reader}: records before record {proof.next_offset:,} are deleted by "
                "retention, so that nothing proves that this is the log that the state has read"
            )
            self.proof = None
            self._reopen()
            return None
        except TapeflowError as error:
            if self.form == TOPIC:
                raise
            raise TapeflowError(
                f"{error}; but the state has read on to record {proof.next_offset - 1:,}: go back "
                "to what it has read, or start with a fresh --state"
            ) from None
        if page is None and self.reader.ended:
            raise proof.missing(str(self.reader))
        return page

    def _notify_or_raise(self, proof: Proof) -> None:
        """Notify of records that compaction has removed; raise where a tape lacks them."""
        if self.form != TOPIC:
            raise proof.missing(str(self.reader))
        if not proof.checked:
            self.notify(
                f"{self.reader}: records before record {proof.next_offset:,} are gone by "
                "compaction, so that nothing proves that this is the log that the state has read"
            )

    def _reopen(self) -> None:
        """Open the log at the position itself."""
        self.reader.close()
        self.trail = Trail()
        self.reader = self.open_reader(self.start.resume, self.start.resume)
