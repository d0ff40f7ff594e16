"""podinit instead of catatonit in podman's own infra image."""
import images
from nginx import RELOADED
from pod import Pod


def test_called_as_podman_calls_catatonit(podman):
    """`kill -HUP 1` in the sidecar reloads nginx once."""
    with Pod(podman, images.AS_CATATONIT) as pod:
        assert pod.effect_of_hup_from("sidecar") == RELOADED
