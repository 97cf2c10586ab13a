"""Reading an HTML page in tests without a browser: its elements, tables and packed data."""

import base64
import json
import zlib
from html.parser import HTMLParser

import numpy as np

VOID = {"meta", "link", "br", "img", "input", "hr"}


class ReadPage(HTMLParser):
    """A page that was read: tables by caption, texts of elements by id, links, and scripts."""

    def __init__(self, text) -> None:
        """Read a page; one whose elements are not closed in order is an error."""
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.elements = text, [], []
        self.tables, self.scripts, self.texts = {}, [], []
        self.caption, self.row, self.rows = "", [], []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([attributes, ""])
        elif tag == "table":
            self.caption, self.rows = "", []
        elif tag == "tr":
            self.row = []
        elif tag in {"td", "th"}:
            self.row.append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (
            f"</{tag}> closes nothing, after {self.open[-5:]}"
        )
        if tag == "tr":
            self.rows.append(self.row)
            self.row = []
        elif tag == "table":
            head, *rows = self.rows
            self.tables[self.caption] = [dict(zip(head, row, strict=True)) for row in rows]

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)
        if "caption" in self.open[-1:]:
            self.caption += data
        if self.row and ({"td", "th"} & set(self.open)):
            self.row[-1] += data

    def ids(self, tag):
        """The ids of all elements of a kind."""
        return [each["id"] for name, each in self.elements if name == tag and "id" in each]

    def words(self):
        """All text that a reader sees."""
        return " ".join(" ".join(self.texts).split())

    def charts(self):
        """The data of the charts of lines, by the names of their series."""
        packed = [
            unpack(text) for attributes, text in self.scripts if attributes.get("class") == "packed"
        ]
        return [{each["name"]: each for each in data["series"]} | {"": data} for data in packed]

    def line(self, name):
        """Times in ms and values of the first line with this name."""
        each = next(chart[name] for chart in self.charts() if name in chart)
        return np.array(each["times"]), np.array(each["values"])

    def instruments(self):
        """The data of the candles by instrument."""
        return {
            attributes["data-name"]: json.loads(text)
            for attributes, text in self.scripts
            if attributes.get("class") == "instrument"
        }

    def chains(self):
        """The causes of fills and refusals."""
        return next(
            unpack(text) for attributes, text in self.scripts if attributes.get("id") == "chains"
        )


def unpack(text):
    """The value of deflated JSON in base64."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def decode_bars(packed):
    """Open times in ns, and four rows of prices, as the page decodes them; and volumes."""
    raw = zlib.decompress(base64.b64decode(packed["z"]))
    n = packed["n"]
    times = np.cumsum(np.frombuffer(raw, np.float64, n)).astype(np.int64) * packed["unit"]
    kind = np.dtype(np.int32 if packed["step"] else np.float64)
    planes = np.frombuffer(raw, kind, 4 * n, 8 * n).reshape(4, n)
    volume = np.frombuffer(raw, np.float32, n, 8 * n + 4 * n * kind.itemsize)
    if not packed["step"]:
        return times, planes, volume
    planes = planes.astype(np.int64)
    close = np.cumsum(planes[0] + planes[1])
    opened = close - planes[1]
    high, low = np.maximum(opened, close) + planes[2], np.minimum(opened, close) - planes[3]
    return times, np.array([opened, high, low, close]) * packed["step"], volume
