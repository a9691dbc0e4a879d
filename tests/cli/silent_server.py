"""silent_server.py PORT-FILE LOG-FILE - listens on a free port of this machine, which it writes to
PORT-FILE, adds a line to LOG-FILE for each connection, and never says a word. Ends when its standard
input does."""
import os, select, socket, sys

server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as file:
    file.write("%d\n" % server.getsockname()[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])
held = []
while True:
    ready, _, _ = select.select([server, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    held.append(server.accept()[0])
    with open(sys.argv[2], "a") as file:
        file.write("connected\n")
