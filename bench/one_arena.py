"""Imported first: memory is shared by threads as in the commands that read topics.

They call `use_one_arena` before pyarrow, which starts a thread when it is imported.
"""

from tapeflow.connectors.kafka.arena import use_one_arena

use_one_arena()
