"""ui.py HOST:PORT FOLDER - the dashboard of `mstore serve` in a headless Chromium, by chromedriver's
WebDriver protocol and nothing but Python's own library. What has to happen outside is asked for on
standard output, a word a line, and answered on standard input (ui.sh)."""
import atexit
import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

HOST, FOLDER = sys.argv[1:3]
PAGE = f"http://{HOST}/ui/"
SHOTS = os.environ.get("UI_SHOTS")
TAB, ENTER, DOWN, SPACE = "\ue004", "\ue007", "\ue015", " "


def outside(wish):
    print(wish, flush=True)
    return sys.stdin.readline().strip()


def say(text):
    print(f"  {text}", flush=True)


class Browser:
    def __init__(self, user):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True,
                                       stderr=subprocess.DEVNULL)
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.base = "http://127.0.0.1:" + line.split("on port ")[1].strip().rstrip(".")
                break
        else:
            sys.exit("chromedriver did not start")
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            "--window-size=1100,1000", f"--user-data-dir={FOLDER}/profile-{user}"]}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += f"/session/{session['sessionId']}"
        atexit.register(self.close)
        login = base64.b64encode(f"{user}:{user}-password".encode()).decode()
        self.cdp("Network.enable")
        self.cdp("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {login}"})
        self.call("POST", "/url", {"url": PAGE})

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"chromedriver: {path}: {error.read().decode()[:500]}")

    def close(self):
        """Also when the test has failed: else the browser goes on for ever."""
        atexit.unregister(self.close)
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def cdp(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def js(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, what, script, *arguments, seconds=60):
        """Until the script gives something true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.js(script, *arguments)
            if value:
                return value
            time.sleep(0.05)
        self.shot("failed")
        text = self.js("return document.body.innerText")
        sys.exit(f"waited in vain for: {what}\n{text}")

    def key(self, key):
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def shot(self, name):
        if SHOTS:
            picture = self.cdp("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            with open(f"{SHOTS}/{name}.png", "wb") as file:
                file.write(base64.b64decode(picture))

    def check_console(self):
        entries = [e for e in self.call("POST", "/se/log", {"type": "browser"}) if e["level"] in ("SEVERE", "WARNING")]
        check(not entries, f"the console has {entries}")


def check(good, sentence):
    if not good:
        sys.exit(sentence)


HEALTH = """return Array.from(document.querySelectorAll('#members tbody tr'), (r) =>
    r.cells[0].innerText.split('\\n')[0] + ':' + r.cells[1].innerText.split('\\n')[0]).join(' ')"""
NAMES = "return Array.from(document.querySelectorAll('#items tbody .name'), (c) => c.textContent)"
ROW = """const row = Array.from(document.querySelectorAll('#items tbody tr'))
    .find((r) => r.cells[0].textContent === arguments[0]);"""


def wait_health(b, wanted):
    b.wait(f"members {wanted}", f"return (() => {{ {HEALTH} }})() === arguments[0]", wanted)



def wait_level(b, name):
    b.wait(f"the level {name}", ROW + "if (row) row.querySelector('button').click(); return Boolean(row)", name)


def test_members(b):
    wait_health(b, "one:up two:up three:up")
    spaces = b.js("return document.querySelector('#spaces tbody').innerText")
    check("data" in spaces and "copies 3" in spaces and "whole" in spaces, f"redundancy says {spaces}")
    b.shot("light")
    outside("away")
    wait_health(b, "one:up two:up three:away")
    b.wait("the redundancy to suffer", "return document.querySelector('#spaces').innerText.includes('bears 1 more')")
    b.shot("away")
    outside("back")
    wait_health(b, "one:up two:up three:up")
    b.wait("what was noted to be healed by itself",
           "return document.getElementById('upkeep-last').innerText.includes('(hints)')")
    say("members: up, away, back and healed by itself")


def choose(b, store, level):
    b.wait(f"the choice of {store}", """const s = document.getElementById('store');
        if (!Array.from(s.options, (o) => o.value).includes(arguments[0])) return false;
        s.value = arguments[0]; s.dispatchEvent(new Event('change')); return true""", store)
    b.wait(f"the store {store}", """return document.querySelector('#crumbs button').textContent === arguments[0]
        && Array.from(document.querySelectorAll('#items button'), (e) => e.textContent).includes(arguments[1])""", store, level)


def check_download(b, name, file):
    text = b.call("POST", "/execute/async", {"script": ROW + """const done = arguments[1];
        fetch(row.querySelector('a').href).then((r) => r.arrayBuffer()).then((bytes) => done(btoa(
        Array.from(new Uint8Array(bytes), (c) => String.fromCharCode(c)).join(''))))""", "args": [name]})
    with open(f"{FOLDER}/{file}", "rb") as wanted:
        check(base64.b64decode(text) == wanted.read(), f"the bytes of {name} are others")


def test_hostile_names(b):
    choose(b, "odd", "data/")
    check(b.js("return document.getElementById('s-members').hidden && document.getElementById('start-heal').hidden"),
          "a store over one storage shows members or a heal button")
    wait_level(b, "data/")
    names = b.wait("the hostile names", f"const n = (() => {{ {NAMES} }})(); return n.length > 1 && n")
    check("<img src=x onerror=alert(1)>" in names, f"the hostile name is not text: {names}")
    check(any("<script>alert(2)" in n and "\\u{202e}" in n and "\\u{a}" in n and "\\xff" in n for n in names),
          f"the other hostile name is not plain: {names}")
    check(b.js("return document.querySelectorAll('#items img, #items script').length") == 0, "a name became markup")
    check_download(b, "<img src=x onerror=alert(1)>", "small")
    b.shot("hostile")
    choose(b, "home", "data/")


def test_items(b):
    test_hostile_names(b)
    wait_level(b, "data/")
    names = b.wait("the items", f"const n = (() => {{ {NAMES} }})(); return n.length > 1 && n")
    check("large" in names and "hidden" not in names, f"a soft-deleted item shows: {names}")
    check_download(b, "large", "large")
    b.js("document.getElementById('deleted').click()")
    b.wait("the soft-deleted item", ROW + "return row && row.className === 'gone'", "hidden")
    b.shot("deleted")
    b.js(ROW + "row.querySelector('td button').click()", "hidden")
    b.wait("the item to be back", ROW + "return row && row.className === ''", "hidden")
    outside("hidden")
    test_pages(b)
    say("items: browsed, downloaded, brought back; hostile names are text")


def test_pages(b):
    wait_level(b, "many/")
    b.wait("a full page", "return document.querySelectorAll('#items tbody tr').length === 100")
    b.js("document.getElementById('next').click()")
    b.wait("the rest", "return document.querySelectorAll('#items tbody tr').length === 25")
    check(b.js("return document.getElementById('next').hidden && !document.getElementById('first').hidden"),
          "the last page has another one")
    b.js("document.getElementById('first').click()")
    b.wait("the first page", "return document.querySelectorAll('#items tbody tr').length === 100")
    b.js("document.querySelector('#crumbs button').click()")
    b.wait("the root", ROW + "return Boolean(row)", "data/")


def test_heal(b):
    whole = int(outside("count"))
    check(whole > 100, f"member two has {whole} values")
    outside("wipe")
    check(outside("count") == "0", "member two is not empty")
    b.js("document.getElementById('start-heal').click()")
    b.wait("the heal to end", """const t = document.getElementById('upkeep-last').innerText;
        return t.includes('asked for by alice') && t.includes(arguments[0] + ' put right, 0 left')""", str(whole))
    check(int(outside("count")) == whole, "member two did not get everything back")
    say(f"heal: {whole} values came back")


def test_keyboard(b):
    b.call("POST", "/url", {"url": PAGE})
    b.wait("the stores", "return document.getElementById('store').options.length > 1")
    seen = []
    for _ in range(40):
        b.key(TAB)
        at = b.js("""const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.textContent.trim(), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]""")
        check(at[1], f"the focus on {at[0]} cannot be seen")
        seen.append(at[0])
        if at[0] == "store":
            b.key(DOWN)
            wait_health(b, "one:up two:up three:up")
            b.wait("the store home", ROW + "return Boolean(row)", "data/")
        if at[0] == "start-scrub":
            break
    check(seen[0] == "Skip to the content" and "store" in seen and seen[-1] == "start-scrub", f"the way of Tab is {seen}")
    b.key(ENTER)
    b.wait("the scrub that the keyboard asked for", """return document.getElementById('upkeep-last').innerText
        .split('Last heal')[0].includes('asked for by alice')""")
    for _ in range(40):
        b.key(TAB)
        if b.js("return document.activeElement.textContent") == "data/":
            break
    b.key(ENTER)
    b.wait("the level opened by the keyboard", ROW + "return Boolean(row)", "large")
    check(b.js("return document.activeElement.closest('#crumbs') !== null"), "the focus was lost by opening a level")
    b.js("document.getElementById('deleted').focus()")
    before = b.js("return document.getElementById('deleted').checked")
    b.key(SPACE)
    check(b.js("return document.getElementById('deleted').checked") != before, "the blank did not tick the box")
    say("keyboard: everything reached, focus visible")


CONTRAST = """
const light = (c) => { const v = c.match(/[0-9.]+/g).slice(0, 3).map((n) => { n /= 255;
    return n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4; }); return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
const behind = (e) => { while (e) { const c = getComputedStyle(e).backgroundColor;
    if (!c.startsWith('rgba(0, 0, 0, 0')) return c; e = e.parentElement; } return 'rgb(255, 255, 255)'; };
const worst = [];
for (const e of document.querySelectorAll('h1, h2, p, dt, dd, th, td, td *, button:not(:disabled), label, figcaption, .legend b')) {
  if (!e.textContent.trim() || !e.getClientRects().length) continue;
  const a = light(getComputedStyle(e).color), b = light(behind(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) worst.push(e.textContent.trim().slice(0, 20) + ' ' + ratio.toFixed(2));
}
return [getComputedStyle(document.body).backgroundColor, worst]"""

LABELS = """return Array.from(document.querySelectorAll('button, a, input, select, progress, meter, svg[role=img]'))
    .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length)
        || document.getElementById(e.getAttribute('aria-labelledby')))).map((e) => e.outerHTML.slice(0, 80))"""


def test_looks(b):
    seen = set()
    for scheme in ("light", "dark"):
        b.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for width in (1100, 360):
            b.cdp("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
            b.wait("the width", "return innerWidth === arguments[0]", width)
            ground, worst = b.js(CONTRAST)
            seen.add(ground)
            check(not worst, f"{scheme}, {width} px: too little contrast: {worst}")
            wide = b.js("return document.scrollingElement.scrollWidth")
            check(wide <= width, f"{scheme}, {width} px: the page is {wide} px wide")
            b.shot(f"{scheme}-{width}")
    check(len(seen) == 2, f"light and dark have the grounds {seen}")
    check(b.js(LABELS) == [], f"without a label: {b.js(LABELS)}")
    say("looks: light, dark, 1100 and 360 px, contrast, labels")


def test_plots(b):
    b.wait("the plots' lines", """fetch(document.querySelector('#items a').href);
        return document.querySelectorAll('.plot path.line').length === 6""")


def test_reader():
    b = Browser("bob")
    choose(b, "home", "data/")
    wait_health(b, "one:up two:up three:up")
    check(b.js("return ['start-scrub', 'start-heal', 'stop'].every((id) => document.getElementById(id).hidden)"),
          "bob sees buttons that are not his")
    check(b.js("return Array.from(document.getElementById('store').options, (o) => o.value).join()") == "odd,home,sealed",
          "bob sees other stores than his")
    b.check_console()
    b.close()
    say("a user who manages nothing sees no buttons and no stores of others")


def main():
    b = Browser("alice")
    choose(b, "home", "data/")
    check(b.js("return document.title") == "mstore", "the page did not come")
    test_members(b)
    test_heal(b)  # before an item is brought back: heal leaves that one alone for a while
    test_items(b)
    test_keyboard(b)
    test_plots(b)
    test_looks(b)
    b.check_console()
    b.close()
    test_reader()


main()
