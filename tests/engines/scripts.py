"""Shell scripts that run in containers."""

# Exits only after an orphan has been reaped.
ORPHAN = """
orphan=$( (sleep 0.1 >/dev/null & echo $!) )
while [ -d /proc/$orphan ]; do sleep 0.05; done
"""
# Exits only after PID 1 has handled all signals that it was sent before: a signal that wakes it is pending or makes it
# runnable before kill returns, and then it runs until it has forwarded the signal.
SETTLED = "until [ $(grep -cE '^(State:.S|ShdPnd:.0+$)' /proc/1/status) = 2 ]; do sleep 0.05; done"
HUP = f"kill -HUP 1; {SETTLED}"
