"""bad_server.py PORT-FILE MODE [CERTIFICATE] - a server on a free port of this machine, which it writes
to PORT-FILE, and which is not what one wants. Ends when its standard input does. MODE:

refuse   answers every S3 request with "wrong key"         tls   the same with that certificate
nobucket answers every S3 request with "no such bucket"
mail     greets as a mail server                           noise  sends bytes without any meaning
close    hangs up at once                                  stall  never says a word
html     answers every request with a page                 unauthorized  with 401
half     begins an HTTP answer and falls silent            banner  greets as an SSH server, falls silent
ssh      greets as an SSH server and goes on with noise
"""
import http.server, os, random, socketserver, ssl, sys, threading

ERROR = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>'


class Refuse(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status, said = 403, ("InvalidAccessKeyId", "The key does not exist.")

    def answer(self):
        body = (ERROR % self.said).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class NoBucket(Refuse):
    status, said = 404, ("NoSuchBucket", "The bucket does not exist.")


class Unauthorized(Refuse):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer


class Page(Refuse):
    def answer(self):
        body = b"<!DOCTYPE html><html><body>It works!</body></html>"
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer


NOISE = random.Random(1).randbytes(100000)
GREETING = {
    "mail": b"220 mail.example.org ESMTP\r\n",
    "noise": NOISE,
    "half": b"HTTP/1.1 200 OK\r\nContent-Le",
    "banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n" + NOISE,
    "stall": b"",
    "close": None,
}


class Speak(socketserver.BaseRequestHandler):
    def handle(self):
        greeting = GREETING[sys.argv[2]]
        if greeting is None:
            return
        self.request.sendall(greeting)
        while self.request.recv(65536):  # to the end of the other side's patience
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that does not trust us goes away
        pass


HANDLERS = {
    "refuse": Refuse,
    "tls": Refuse,
    "nobucket": NoBucket,
    "html": Page,
    "unauthorized": Unauthorized,
}
server = Server(("127.0.0.1", 0), HANDLERS.get(sys.argv[2], Speak))
if sys.argv[2] == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(sys.argv[1] + ".new", "w") as file:
    file.write("%d\n" % server.server_address[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])
sys.stdin.read()
