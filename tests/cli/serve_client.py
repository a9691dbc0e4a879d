"""Clients for tests of `mstore serve`.

load URL USER:PASSWORD THREADS STOP-FILE   GETs until STOP-FILE is there; prints how many, and every
                                           answer that is not 200
renew HOST PORT OLD-PEM NEW-PEM READY GO   over TLS: a GET, then touches READY, waits for GO, another
                                           GET on the same connection, then prints whose certificate a
                                           new connection gets
password COMMAND...                        runs it on a terminal, types "geheim" twice, prints what it said
"""
import base64, http.client, os, pty, ssl, sys, threading, time, urllib.parse

ACCEPT = "application/vnd.x.borgstore.rest.v1"


def until_there(path):
    for _ in range(400):
        if os.path.exists(path):
            return
        time.sleep(0.05)
    sys.exit(f"{path} never came")


def load(url, login, threads, stop):
    parts = urllib.parse.urlsplit(url)
    headers = {"Accept": ACCEPT, "Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    counts, wrong = [0] * int(threads), []

    def one(index):
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        while not os.path.exists(stop):
            try:
                connection.request("GET", parts.path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    wrong.append(str(answer.status))
            except Exception as e:  # noqa: BLE001 - whatever it is, it is printed
                wrong.append(repr(e))
                connection.close()
            counts[index] += 1
        connection.close()

    workers = [threading.Thread(target=one, args=(i,)) for i in range(int(threads))]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    print("requests", "some" if min(counts) > 5 else counts)
    print("wrong", *sorted(set(wrong)))


def renew(host, port, old, new, ready, go):
    context = ssl.create_default_context(cafile=old)
    context.load_verify_locations(new)
    connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)

    def get():
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()

    print(*get())
    same = connection.sock
    open(ready, "w").close()
    until_there(go)
    print(*get(), "same" if connection.sock is same else "another")
    got = ssl.get_server_certificate((host, int(port)))
    print("new" if got.strip() == open(new).read().strip() else "old")


def password(*command):
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    said, typed = b"", 0
    while True:
        try:
            more = os.read(fd, 4096)
        except OSError:
            more = b""
        if not more:
            break
        said += more
        if typed < said.count(b": "):
            typed += 1
            os.write(fd, b"geheim\n")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(said.decode().replace("\r", ""), end="")
    sys.exit(status)


if __name__ == "__main__":
    {"load": load, "renew": renew, "password": password}[sys.argv[1]](*sys.argv[2:])
