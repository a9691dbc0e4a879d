"""peak.py FILE COMMAND... - runs COMMAND and writes the most memory it had resident at once, in KiB, to
FILE. Of it alone: what wait4 says counts its children, too. Ends as it ended."""
import re, subprocess, sys, time

process = subprocess.Popen(sys.argv[2:])
peak, status = 0, "/proc/%d/status" % process.pid
while process.poll() is None:
    try:
        with open(status) as file:
            found = re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M)
        peak = max(peak, int(found[1])) if found else peak
    except (FileNotFoundError, ProcessLookupError):
        pass
    time.sleep(0.005)
with open(sys.argv[1], "w") as file:
    print(peak, file=file)
sys.exit(process.returncode if process.returncode >= 0 else 128 - process.returncode)
