"""Checks Prometheus' text format (0.0.4): HELP and TYPE before a family's samples, each family in
one piece, label syntax, histograms cumulative and closed by +Inf. Reads standard input."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
types, finished, current, seen = {}, set(), None, {}
histograms = {}

text = sys.stdin.buffer.read().decode("utf-8")
assert text.endswith("\n")
for line in text[:-1].split("\n"):
    if line.startswith("# "):
        _, kind, name, rest = line.split(" ", 3)
        assert kind in ("HELP", "TYPE"), line
        if name != current:
            assert name not in finished, "family in two pieces: " + name
            if current:
                finished.add(current)
            current = name
        if kind == "TYPE":
            assert rest in ("counter", "gauge", "histogram") and name not in types, line
            types[name] = rest
        continue
    match = SAMPLE.fullmatch(line)
    assert match, "no sample: " + line
    name, labels, value = match.groups()
    family = name
    if types.get(current) == "histogram":
        family = re.sub("_(bucket|sum|count)$", "", name)
        assert family != name, line
    assert family == current and family in types, line
    value = float(value)
    key = (name, labels)
    assert key not in seen, "twice: " + line
    seen[key] = value
    if name.endswith("_bucket"):
        le = re.search(r'(?:^|,)le="([^"]*)"', labels).group(1)
        rest = re.sub(r',?le="[^"]*"', "", labels)
        histograms.setdefault((family, rest), []).append((float(le), value))

assert histograms, "no histogram"
for (family, labels), buckets in histograms.items():
    assert buckets == sorted(buckets), "not cumulative: " + labels
    assert buckets[-1][0] == float("inf")
    assert buckets[-1][1] == seen[(family + "_count", labels)]
    assert (family + "_sum", labels) in seen
