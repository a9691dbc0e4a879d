"""h2_server.py PORT-FILE LOG-FILE CERTIFICATE FAULT... - a server that speaks HTTP/2 over TLS and nothing else, on a
free port of this machine, which it writes to PORT-FILE. Each request gets an empty 200, but for the
first ones, which get a FAULT each:

refused   its stream is reset with REFUSED_STREAM: nothing was done
reset     its stream is reset with INTERNAL_ERROR: anything may have been done
goaway    GOAWAY, which says that this request was not looked at, and the end of the connection
cut       half an answer (its length promises more), and the end of the connection
garbage   bytes that are no frame

A line "FAULT" or "answered" goes to LOG-FILE for each request. Ends when its standard input does."""
import os, socket, ssl, struct, sys, threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
lock, faults = threading.Lock(), sys.argv[4:]


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def length(text):  # HPACK: content-length (28 of the static table), not indexed
    return b"\x0f\x0d" + bytes([len(text)]) + text


OK = b"\x88"  # HPACK: ":status: 200"


def answer(stream):  # the bytes, and whether the connection goes on
    with lock:
        fault = faults.pop(0) if faults else "answered"
        with open(sys.argv[2], "a") as log:
            log.write(fault + "\n")
    if fault == "refused":
        return frame(RST_STREAM, 0, stream, struct.pack(">I", 7)), True
    if fault == "reset":
        return frame(RST_STREAM, 0, stream, struct.pack(">I", 2)), True
    if fault == "goaway":
        return frame(GOAWAY, 0, 0, struct.pack(">II", stream - 2 if stream > 1 else 0, 0)), False
    if fault == "cut":
        return frame(HEADERS, END_HEADERS, stream, OK + length(b"10")) + frame(DATA, 0, stream, b"12345"), False
    if fault == "garbage":
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\xff\xff\xff\xff\xff\xff\xff"), False
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, OK + length(b"0")), True


def read(conn, size):
    got = b""
    while len(got) < size:
        more = conn.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def serve(conn):
    conn = context.wrap_socket(conn, server_side=True)
    if read(conn, len(PREFACE)) != PREFACE:
        return
    conn.sendall(frame(SETTINGS, 0, 0))
    alive = True
    while alive:
        head = read(conn, 9)
        kind, flags = head[3], head[4]
        stream = struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        payload = read(conn, int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            conn.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            conn.sendall(frame(PING, ACK, 0, payload))
        elif kind in (HEADERS, DATA) and flags & END_STREAM:
            out, alive = answer(stream)
            conn.sendall(out)
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(4096):
        pass


def guard(conn):
    try:
        serve(conn)
    except (OSError, EOFError):
        pass
    finally:
        conn.close()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3])
context.set_alpn_protocols(["h2"])
server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as file:
    file.write("%d\n" % server.getsockname()[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])


def accept():
    while True:
        threading.Thread(target=guard, args=(server.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
