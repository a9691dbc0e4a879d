"""Clients that load `mstore serve` until it is gone, and what they know about it.

load PORT CLIENTS FILE    stores, replaces and deletes on CLIENTS connections until they break; FILE gets a
                          line for each call before it ("want NAME TEXT") and after its 200 ("done …")
check PORT FILE           each value that is there is whole, and each acknowledged change has happened
"""
import hashlib, http.client, json, random, sys, threading

HEADERS = {"Accept": "application/vnd.x.borgstore.rest.v1"}
port, path = int(sys.argv[2]), sys.argv[-1]
GONE = "-"


def value_of(text):
    """The bytes a short text stands for; some longer than a piece."""
    digest = hashlib.sha256(text.encode()).digest()
    return digest * (1 + int.from_bytes(digest[:2], "big") % 6000)


def connect():
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def ask(connection, method, name, body=None):
    connection.request(method, name, body, HEADERS)
    answer = connection.getresponse()
    return answer.status, answer.read()


def load(clients):
    lines, lock, wrong = open(path, "a"), threading.Lock(), []

    def say(*words):
        with lock:
            print(*words, file=lines, flush=True)

    def one(index):
        connection, rng = connect(), random.Random()
        tag, there = f"{index}-{rng.getrandbits(40):x}", []
        try:
            for i in range(1000000):
                old = there and rng.random() < 0.4
                name = rng.choice(there) if old else f"/data/load-{tag}-{i}"
                text = GONE if old and rng.random() < 0.5 else f"{name}@{i}"
                say("want", name, text)
                if text == GONE:
                    status, said = ask(connection, "DELETE", name)
                    there.remove(name)
                else:
                    status, said = ask(connection, "POST", name, value_of(text))
                    there += [] if old else [name]
                if status != 200:
                    wrong.append((status, said))
                    return
                say("done", name, text)
        except (OSError, http.client.HTTPException):
            pass  # it is gone

    threads = [threading.Thread(target=one, args=(i,)) for i in range(int(clients))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(*(sorted(set(wrong)) or ["nothing wrong"]))


def check():
    may, acknowledged = {}, 0
    for line in open(path):
        kind, name, text = line.split()
        if kind == "want":
            may.setdefault(name, [GONE]).append(text)
        else:
            may[name] = [text]
            acknowledged += text != GONE
    connection, bad = connect(), []
    for name, texts in may.items():
        status, body = ask(connection, "GET", name)
        is_one = [t for t in texts if (t == GONE if status == 404 else status == 200 and body == value_of(t))]
        if not is_one:
            bad.append(f"{name}: {status} with {len(body)} bytes, which is none of {texts}")
    listed = json.loads(ask(connection, "GET", "/data/")[1])
    bad += [f"nobody stored {e['name']}" for e in listed
            if e["name"].startswith("load-") and "/data/" + e["name"] not in may]
    print("\n".join(bad[:5]) if bad else "all there")
    print("enough" if acknowledged > 10 else f"only {acknowledged} were acknowledged")


{"load": load, "check": check}[sys.argv[1]](*sys.argv[3:-1])
