"""Reads the meaning of a type's fields from their comments.

tick: Decimal  # smallest step of a price     ->  {"tick": "smallest step of a price"}
"""

import ast
import inspect
import textwrap
import tokenize
from functools import cache
from io import StringIO


@cache
def field_comments(documented: type) -> dict[str, str]:
    """Return the comment at the end of each field's line, by field; "" where there is none."""
    source = textwrap.dedent(inspect.getsource(documented))
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (body,) = ast.parse(source).body
    return {
        node.target.id: by_line.get(node.end_lineno or node.lineno, "")
        for node in getattr(body, "body", ())
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
