def check(report, podman): pass
