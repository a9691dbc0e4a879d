"""interrupt.py SIGNAL CONDITION COMMAND... - runs COMMAND, sends SIGNAL once the shell command
CONDITION succeeds, and prints how it ended. A shell's background jobs ignore SIGINT; these do not.
"""
import signal, subprocess, sys, time

number = getattr(signal, "SIG" + sys.argv[1])
process = subprocess.Popen(
    sys.argv[3:], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
)
# What the condition looks for may vanish while it looks: its complaints are not the command's.
while process.poll() is None and subprocess.call(["sh", "-c", sys.argv[2]], stderr=subprocess.DEVNULL):
    time.sleep(0.01)
if process.poll() is None:
    process.send_signal(number)
print(process.wait())
