"""Shell scripts that run in containers."""

# Exits only after an orphan has been reaped.
ORPHAN = """
orphan=$( (sleep 0.1 >/dev/null & echo $!) )
while [ -d /proc/$orphan ]; do sleep 0.05; done
"""
# Exits only after PID 1 has handled all earlier signals: before kill returns, the signal is pending or has made PID 1
# runnable, and then PID 1 runs until it has forwarded the signal.
SETTLED = "until [ $(grep -cE '^(State:.S|ShdPnd:.0+$)' /proc/1/status) = 2 ]; do sleep 0.05; done"
HUP = f"kill -HUP 1; {SETTLED}"
