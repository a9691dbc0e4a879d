"""Checks that a report is well-formed, needs nothing from outside and runs nothing. Reads the file
named; prints the number of plots."""
import sys
from html.parser import HTMLParser

VOID = {"meta", "line", "rect", "path"}


class Checker(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.plots, self.text = [], 0, ""

    def check(self, tag, attributes):
        assert tag not in ("script", "link", "img", "iframe", "object", "a", "base"), tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("src", "href"), name
            assert "url(" not in (value or ""), value
        self.plots += tag == "svg"

    def handle_starttag(self, tag, attributes):
        self.check(tag, attributes)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.check(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text += data


page = open(sys.argv[1], encoding="utf-8").read()
checker = Checker()
checker.feed(page)
checker.close()
assert not checker.open, checker.open
assert "nan" not in page and "inf\"" not in page
assert "prefers-color-scheme:dark" in page and "viewport" in page
for needed in sys.argv[2:]:
    assert needed in checker.text, needed
print(checker.plots)
