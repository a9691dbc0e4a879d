"""Clients that go to the limits of `mstore serve`, byte by byte. Each prints what it was told.

head PORT SIZE            a request whose line and headers have SIZE bytes
line PORT SIZE            a request line of SIZE bytes
many PORT COUNT [FROM]    COUNT connections at once that have been served, then one more (of the address
                          FROM): prints its answer, then that of another after one of them has gone
slow-head PORT            headers a byte at a time, for ever
idle PORT                 a request, then nothing
stalled PORT NAME         a body that stops in the middle
slow PORT NAME            a body of a byte at a time, for ever
lazy PORT NAME            asks for NAME and reads nothing
sipping PORT NAME         asks for NAME and reads a byte at a time
busy PORT NAME COUNT      COUNT bodies under way, then another request, then the ends of the bodies
"""
import socket, sys, time

PAUSE = 0.02
PATIENCE = 60  # seconds, of a client
ACCEPT = "Accept: application/vnd.x.borgstore.rest.v1\r\n"
port = int(sys.argv[2])


def connect(source=None, room=None):
    s = socket.socket()
    s.settimeout(PATIENCE)
    if room:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    if source:
        s.bind((source, 0))
    s.connect(("127.0.0.1", port))
    return s


def request(what, *headers):
    return (what + " HTTP/1.1\r\nHost: localhost\r\n" + ACCEPT + "".join(h + "\r\n" for h in headers) + "\r\n").encode()


def until_closed(s):
    told = b""
    try:
        while more := s.recv(65536):
            told += more
    except ConnectionResetError:
        pass
    return told


def answer(s):
    """One, whose length is told; the connection stays."""
    told = b""
    while b"\r\n\r\n" not in told:
        more = s.recv(1)
        if not more:
            break
        told += more
    for line in told.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            size = len(told) + int(line.split(b":")[1])
            while len(told) < size and (more := s.recv(size - len(told))):
                told += more
    return told


def show(told):
    """Status with its sentence, Retry-After, and the body where it says something else."""
    head, _, body = told.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    words = [" ".join(lines[0].split(" ")[1:])] + [h for h in lines[1:] if h.startswith("Retry-After")]
    words += [body.decode().strip()] if body and body.decode().strip() not in lines[0] else []
    print("; ".join(words) if head else "nothing")


def head(size):
    text = request("GET /data/small", "Connection: close", "A: ")[:-4]
    s = connect()
    s.sendall(text + b"a" * (int(size) - len(text) - 4) + b"\r\n\r\n")
    show(until_closed(s))


def line(size):
    s = connect()
    s.sendall(b"GET /" + b"a" * (int(size) - 5))
    show(until_closed(s))


def many(count, source=None):
    def one(source=None):
        s = connect(source)
        try:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return s, answer(s)

    held = [one() for _ in range(int(count))]
    print(*sorted({told[9:12].decode() for _, told in held}))
    show(one(source)[1])
    held.pop()[0].close()
    for _ in range(500):  # until the server has seen that
        told = one()[1]
        if b" 200 " in told:
            break
        time.sleep(PAUSE)
    show(told)


def trickle(s, piece, least):
    """Until the server has had enough; at least so many seconds long."""
    began = time.monotonic()
    s.setblocking(False)
    told = b""
    while time.monotonic() - began < PATIENCE:
        try:
            s.send(piece)
            told += s.recv(65536)
            break
        except BlockingIOError:
            time.sleep(PAUSE)
        except OSError:
            break
    s.setblocking(True)
    show(told + until_closed(s))
    print("in time" if least <= time.monotonic() - began < PATIENCE else "at a wrong time")


def slow_head():
    s = connect()
    s.sendall(b"GET /data/small HTTP/1.1\r\nA: ")
    trickle(s, b"a", 0.9)


def idle():
    s = connect()
    s.sendall(request("GET /data/small"))
    told = answer(s)
    began = time.monotonic()
    show(told)
    print("nothing" if not until_closed(s) else "something")
    print("in time" if time.monotonic() - began > 0.9 else "at once")


def stalled(name):
    s = connect()
    s.sendall(request("POST " + name, "Content-Length: 1000") + b"some")
    trickle(s, b"", 0.9)


def slow(name):
    s = connect()
    s.sendall(request("POST " + name, "Content-Length: 90000"))
    trickle(s, b"a", 0.9)


def read(name, step):
    s = connect(room=4096)
    s.sendall(request("GET " + name))
    whole = 0
    for text in s.recv(1000).split(b"\r\n"):
        if text.lower().startswith(b"content-length:"):
            whole = int(text.split(b":")[1])
    began = time.monotonic()
    while not refused() and time.monotonic() - began < PATIENCE:
        if step:
            s.recv(step)
        time.sleep(PAUSE)
    got = len(until_closed(s))
    print("cut off" if 0 < got < whole - 1000000 else f"{got} of {whole}")


def refused():
    """Whether the server says that somebody was too slow."""
    s = connect()
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return b'mstore_server_refused_total{reason="slow"} 0\n' not in until_closed(s)


def busy(name, count):
    held = []
    for i in range(int(count)):
        s = connect()
        s.sendall(request(f"POST {name}-{i}", "Content-Length: 10", "Expect: 100-continue"))
        answer(s)  # the server is at it
        held.append(s)
    s = connect()
    s.sendall(request("GET /data/small", "Connection: close"))
    show(until_closed(s))
    for s in held:
        s.sendall(b"0123456789")
        show(answer(s))


commands = {"head": head, "line": line, "many": many, "slow-head": slow_head, "idle": idle, "stalled": stalled,
            "slow": slow, "lazy": lambda name: read(name, 0), "sipping": lambda name: read(name, 1), "busy": busy}
commands[sys.argv[1]](*sys.argv[3:])
